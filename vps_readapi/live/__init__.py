"""What is asked of SGP itself, back through the tunnel, while somebody waits."""
