"""What DBAs and ops run: the declaration, plan, apply and the watching of replication."""
