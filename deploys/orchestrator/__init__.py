"""What the orchestrator has besides: databases, the fleet's messages, n8n with its queue and web server."""
