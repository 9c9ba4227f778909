"""Orders: how they are asked for, found and shown."""
