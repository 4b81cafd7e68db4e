"""Who lives where in a lab: all in 198.18.0.0/15, the block set aside for tests (RFC 2544, RFC 6890)."""

from __future__ import annotations

PREFIX_LENGTH = 15
OPERATOR = "198.18.0.1"
"""The bridge: operator processes, the emulated providers and the package proxy."""
RESOLVER = "198.18.0.2"
"""A validating resolver, as a provider or an office has one."""
NAMESERVER = "198.18.0.53"
"""The authoritative server of every zone, the root included."""
MX = "198.19.0.20"
STRANGER = "198.19.0.30"

PACKAGE_PROXY_PORT = 3142
HETZNER_PORT = 4001
CONTABO_PORT = 4002
CLOUDFLARE_PORT = 4003
TELEGRAM_PORT = 4004
