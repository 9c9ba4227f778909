"""Three clusters, a breakable link, the API and the worker, on one machine."""
