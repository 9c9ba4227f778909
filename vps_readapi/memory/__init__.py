"""What the API keeps in memory, and how it knows that it is still what the database says."""
