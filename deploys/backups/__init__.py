"""The operator's side of backups: archives pulled from the orchestrator, kept, read, and restored there."""
