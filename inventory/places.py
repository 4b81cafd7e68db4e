"""Where things are on a host: for the deploys, which put them there, and for `outreach status`."""

from __future__ import annotations

DKIM_KEYS = "/var/lib/rspamd/dkim"
CERTIFICATE = "/etc/outreach/tls/mail.pem"
"""The mail servers': key, then chain, in one file, since they change together. An ACME client may replace it
at any time (write beside it, rename, reload postfix and dovecot); a deploy makes one where none is."""
REPORTS = "/var/lib/outreach-reports"
"""Where the orchestrator's REST service reads reports, `NAME.json` each; root writes."""


API_PORT = 8025
"""Of the REST service: a node's for the orchestrator alone, the orchestrator's own on loopback."""


def dkim_key(domain: str, selector: str) -> str:
    """Where a domain's private DKIM key lies on its node."""
    return f"{DKIM_KEYS}/{domain}.{selector}.key"
