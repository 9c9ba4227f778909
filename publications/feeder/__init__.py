"""Reads SGP's SQLite file and keeps the landing tables as it is."""
