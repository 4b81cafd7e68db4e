"""n8n on the orchestrator: its release beside the running one, the switch, the web server, the workflows."""
