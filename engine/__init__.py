"""The engine: work carried between the orchestrator and its nodes over NATS JetStream, results in PostgreSQL."""
