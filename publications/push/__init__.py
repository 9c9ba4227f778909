"""Sends what is published to the VPS by signed requests, where no subscription fetches it."""
