"""The shop's tailnet as files: what it lets through, how both ends join, and how services wait for it."""
