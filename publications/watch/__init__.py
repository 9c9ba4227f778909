"""Measure the road, again and again."""
