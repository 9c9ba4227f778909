"""The vitrine cluster: landing tables, projection, window."""
