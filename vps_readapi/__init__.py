"""The HTTP side of the VPS: the read-only API that the PWA uses."""
