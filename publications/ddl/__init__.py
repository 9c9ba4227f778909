"""The SQL of each change. Pure."""
