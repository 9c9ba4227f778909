"""What can differ between wanted and live: one small class for each thing that apply can do. Pure."""
