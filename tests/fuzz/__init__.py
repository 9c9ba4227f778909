"""Hostile input in numbers: requests, texts, names and images that nobody thought of."""
