"""The mail services of a node, each as one whole configuration. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Protocol

from deploys.operations.births import Birth
from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from inventory.mailboxes import Mailboxes, mailboxes
from inventory.places import CERTIFICATE, DKIM_KEYS, dkim_key
from inventory.settings import Settings

PACKAGES = ("dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "postfix", "rspamd")
_CERTIFICATE_DAYS = 3650  # self-signed: opportunistic TLS encrypts with it and nobody verifies it


@dataclass(frozen=True)
class MailServices:
    """Everything about mail on one host; nothing of it on a host that sends none."""

    users: Service | None = None
    births: tuple[Birth, ...] = ()
    rspamd: Service | None = None
    dovecot: Service | None = None
    postfix: Service | None = None


class Passwords(Protocol):
    """Passwords of mailboxes; asked only on a host that has any."""

    def password(self, address: str) -> str:
        """The password itself: proofs log in with it."""

    def hash(self, address: str) -> str:
        """Its sha512-crypt."""


def mail_services(host: Settings, passwords: Passwords) -> MailServices:
    """Decide the mail services of a host.

    Args:
        host: a host of any role.
        passwords: of its mailboxes.
    """
    if not host.sends_mail:
        return MailServices()
    boxes = mailboxes(host)
    return MailServices(
        users(), births(host), rspamd(host), dovecot(host, boxes, passwords), postfix(host, boxes, passwords)
    )


def users() -> Service:
    """The owner of all mailboxes, and folders that must be there before the services start."""
    return Service(
        name="users",
        files=(
            File("/etc/sysusers.d/outreach-mail.conf", render("users/sysusers.conf")),
            File("/etc/tmpfiles.d/outreach-mail.conf", render("users/tmpfiles.conf")),
        ),
        check=render("users/check.sh"),
        reload=render("users/activate.sh"),
        restart=render("users/activate.sh"),
    )


def births(host: Settings) -> tuple[Birth, ...]:
    """The node's certificate and one DKIM key a domain (RSA: RFC 8301 section 3.2 asks for 2048 bits)."""
    certificate = (
        "openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"
        f" -days {_CERTIFICATE_DAYS} -subj '/CN={host.fqdn}' -addext 'subjectAltName=DNS:{host.fqdn}'"
        ' -keyout "$1" -out "$1.chain"; cat "$1.chain" >>"$1"; rm -f "$1.chain"'
    )
    return (
        Birth(CERTIFICATE, certificate, "self-signed certificate"),
        *(
            Birth(
                path=dkim_key(domain.name, domain.selector),
                create=f'openssl genrsa -out "$1" {domain.dkim_bits}',
                label=f"RSA-{domain.dkim_bits} DKIM key of {domain.name}",
                owner="_rspamd",
            )
            for domain in host.domains
        ),
    )


def rspamd(host: Settings) -> Service:
    """The signing milter: signs as the login's domain, or refuses."""
    restart = render("rspamd/restart.sh")
    unit = File("/etc/systemd/system/rspamd.service.d/outreach.conf", render("rspamd/unit.conf"))
    keys = render("rspamd/keys.map", domains=host.domains, key_folder=DKIM_KEYS)
    return Service(
        name="rspamd",
        files=(
            File("/etc/rspamd/outreach.conf", render("rspamd/outreach.conf")),
            File("/etc/rspamd/outreach.lua", render("rspamd/outreach.lua")),
            File("/etc/rspamd/outreach-selectors.map", render("rspamd/selectors.map", domains=host.domains)),
            File("/etc/rspamd/outreach-keys.map", keys),
            File("/etc/rspamd/outreach-tld.dat", render("rspamd/tld.dat")),
            unit,
        ),
        unit="rspamd",
        check=render("rspamd/check.sh"),
        # A reload refuses no submission; a restart does for up to 2.6 s.
        reload="systemctl reload rspamd",
        restart=restart,
        restart_for=frozenset({unit.path}),
        health=render("rspamd/health.sh"),
    )


def dovecot(host: Settings, boxes: Mailboxes, passwords: Passwords) -> Service:
    """Logins, delivery and mailboxes."""
    users_file = render("dovecot/users", users=[(box, passwords.hash(box)) for box in sorted(boxes.own)])
    return Service(
        name="dovecot",
        files=(
            File(
                "/etc/dovecot/dovecot.conf",
                render("dovecot/dovecot.conf", fqdn=host.fqdn, certificate=CERTIFICATE),
            ),
            File("/etc/dovecot/users", users_file, mode=0o640, group="dovecot", secret=True),
        ),
        unit="dovecot",
        check=render("dovecot/check.sh", certificate=CERTIFICATE),
        # Also for the users file: Dovecot misses a rewrite of equal size within a second of its last load.
        reload="systemctl reload dovecot",
        restart="systemctl restart dovecot",
        health=render(
            "dovecot/health.sh", user=boxes.postmaster, password=passwords.password(boxes.postmaster)
        ),
    )


def postfix(host: Settings, boxes: Mailboxes, passwords: Passwords) -> Service:
    """The mail server, proven by a submission in the name of its first account."""
    sender = boxes.accounts[0] if boxes.accounts else ""
    login = f"\0{sender}\0{passwords.password(sender)}"  # SASL PLAIN, RFC 4616 section 2
    master = File("/etc/postfix/master.cf", render("postfix/master.cf"))
    addresses = {
        "domains": render("postfix/domains", mailbox_domains=boxes.domains),
        "mailboxes": render("postfix/mailboxes", mailboxes=boxes.own),
        "aliases": render("postfix/aliases", aliases=boxes.aliases, postmaster=boxes.postmaster),
        "senders": render("postfix/senders", accounts=boxes.accounts),
        "mx_class": render("postfix/mx_class"),
        "submission_headers": render("postfix/submission_headers"),
    }
    return Service(
        name="postfix",
        files=(
            File(
                "/etc/postfix/main.cf",
                render("postfix/main.cf", fqdn=host.fqdn, ipv4=host.ipv4, certificate=CERTIFICATE),
            ),
            master,
            # Plain text: no compiled copy can be older than its source. Read when a process starts.
            *(File(f"/etc/postfix/{name}", text) for name, text in addresses.items()),
        ),
        unit="postfix",
        check=render("postfix/check.sh", ipv4=host.ipv4),
        reload="systemctl reload postfix",
        restart="systemctl restart postfix",
        health=render(
            "postfix/health.sh",
            postmaster=boxes.postmaster,
            sender=sender,
            credentials=base64.b64encode(login.encode()).decode(),
        ),
    )
