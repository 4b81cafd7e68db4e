"""The project's own tools on every host: a release beside the running one, then the switch, host by host."""
