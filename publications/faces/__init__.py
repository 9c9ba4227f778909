"""Say what was measured, to people and to machines."""
