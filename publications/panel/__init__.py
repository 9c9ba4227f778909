"""The shop's panel: one page that says whether the phones see what SGP knows."""
