"""What follows from the declaration and what is there: changes, findings, refusals. Pure."""
