"""Who logs in to n8n: its owner, whom it knows from its environment and by a hash alone."""

from __future__ import annotations

from deploys.orchestrator.credentials import Credentials

ACCOUNT = "n8n owner"
"""What the password is derived for."""


def owner_address(infra_domain: str) -> str:
    """The owner's login; no mailbox is behind it."""
    return f"n8n@{infra_domain}"


def owner_password(secret: bytes) -> str:
    """The owner's password."""
    return Credentials(secret).password(ACCOUNT)
