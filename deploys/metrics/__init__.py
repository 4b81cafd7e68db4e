"""Figures of every host, gathered on the orchestrator, and what of them the team is told."""
