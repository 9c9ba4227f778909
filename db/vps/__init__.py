"""The VPS's database: the window as it arrives, and its guard."""
