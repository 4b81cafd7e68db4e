"""Hetzner Cloud API v1, emulated (docs.hetzner.cloud)."""
