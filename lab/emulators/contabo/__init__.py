"""Contabo API v1, emulated (api.contabo.com)."""
