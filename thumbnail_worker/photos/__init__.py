"""From an original to its miniaturas."""
