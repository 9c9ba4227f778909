"""The service on the intranet: heartbeat, credentials, miniaturas."""
