"""The shared floor: the contract, settings, connections, models and migrations of both databases."""
