"""What a shop declares: which columns, tables and roles, and of what privacy."""
