"""What tests need and Python's index does not bring as a library: made once, outside of the repository."""
