"""Hostile input in numbers: requests, texts, names, images and answers that nobody thought of."""
