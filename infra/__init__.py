"""What is installed around Ponte, and the dev stack that runs the whole on one machine."""
