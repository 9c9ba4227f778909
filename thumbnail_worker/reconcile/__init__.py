"""Compare what is stored with what the window says, and mend it."""
