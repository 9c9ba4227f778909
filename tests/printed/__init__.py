"""What apply runs and people read for each change."""
