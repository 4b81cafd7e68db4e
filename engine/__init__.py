"""The engine: validation jobs carried to the nodes over NATS JetStream, results in PostgreSQL."""
