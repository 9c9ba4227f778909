"""Prove that what arrived is what was sent."""
