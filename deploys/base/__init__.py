"""What every host has: name, keys, firewall, clock, logs, updates, resolver."""
