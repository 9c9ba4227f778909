"""Miniaturas and originals: how they are addressed and fetched."""
