"""What a request meets first, and what every answer has."""
