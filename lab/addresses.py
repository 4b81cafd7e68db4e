"""Who lives where in a lab: all in 198.18.0.0/15, the block set aside for tests (RFC 2544, RFC 6890)."""

from __future__ import annotations

PREFIX_LENGTH = 15
OPERATOR = "198.18.0.1"
"""The bridge: operator processes, the emulated providers and the package proxy."""
RESOLVER = "198.18.0.2"
"""A validating resolver, as a provider or an office has one."""
ACME = "198.18.0.3"
"""The certificate authority, on the name server's host."""
NAMESERVER = "198.18.0.53"
"""The authoritative server of every zone, the root included."""
MX = "198.19.0.20"
STRANGER = "198.19.0.30"

PACKAGE_PROXY_PORT = 3142
HETZNER_PORT = 4001
CONTABO_PORT = 4002
CLOUDFLARE_PORT = 4003
TELEGRAM_PORT = 4004
ACME_PORT = 14000
ACME_NAME = "acme.example"
ACME_DIRECTORY = f"https://{ACME_NAME}:{ACME_PORT}/dir"
"""Where an ACME client begins (RFC 8555 section 7.1.1); every host of the lab trusts what is shown there."""
