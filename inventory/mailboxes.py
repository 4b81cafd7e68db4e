"""Who has a mailbox on a node, and which addresses end where. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from inventory.settings import Settings

ROLES = ("postmaster", "abuse")
"""Mailbox names that every domain must have (RFC 5321 section 4.5.1, RFC 2142 section 4)."""

REPORTS = ("dmarc-reports", "tls-reports")
"""Where DMARC aggregate and TLS reports of the whole fleet are sent, at the infrastructure domain."""


@dataclass(frozen=True)
class Mailboxes:
    """The addresses of a node.

    Args:
        domains: whose mail lives here: the sending domains, the node's own name, the reports' domain.
        accounts: addresses that may send, each only as itself.
        postmaster: the node's own mailbox; operators read it over IMAP.
        own: every address with a mailbox of its own.
        aliases: addresses whose mail goes to `postmaster`.
    """

    domains: tuple[str, ...]
    accounts: tuple[str, ...]
    postmaster: str
    own: tuple[str, ...]
    aliases: tuple[str, ...]


def mailboxes(host: Settings) -> Mailboxes:
    """Decide the addresses of a node.

    One mailbox, ``postmaster@<node>``, takes postmaster and abuse of all its domains: complaints must not
    land with one account's replies, and operators read one box a node. An account that the fleet file itself
    names ``postmaster`` or ``abuse`` keeps its own mail.
    """
    postmaster = f"postmaster@{host.fqdn}"
    accounts = tuple(address for domain in host.domains for address in domain.accounts)
    reports = tuple(f"{name}@{host.report_domain}" for name in REPORTS) if host.report_domain else ()
    domains = (*(domain.name for domain in host.domains), host.fqdn)
    if host.report_domain and host.report_domain not in domains:
        domains = (*domains, host.report_domain)
    own = tuple(dict.fromkeys((*accounts, postmaster, *reports)))
    aliases = tuple(
        address for domain in domains for name in ROLES if (address := f"{name}@{domain}") not in own
    )
    return Mailboxes(domains, accounts, postmaster, own, aliases)
