"""Figures, measured as ratios in one run with the peers beside them."""
