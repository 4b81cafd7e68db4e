"""The mail services of a node, each as one whole configuration. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploys.base.settings import Settings
from deploys.mail.mailboxes import Mailboxes, mailboxes
from deploys.operations.births import Birth
from deploys.operations.configuration import File, Service
from deploys.operations.render import render

PACKAGES = ("dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "postfix", "rspamd")
KEY_FOLDER = "/var/lib/rspamd/dkim"
CERTIFICATE = "/etc/outreach/tls/mail.pem"
"""Key, then chain, in one file: they change together. An ACME client may replace it at any time (write beside
it, rename, reload postfix and dovecot); a deploy makes it only when there is none."""

_CERTIFICATE_DAYS = 3650  # self-signed: opportunistic TLS encrypts with it and nobody verifies it


@dataclass(frozen=True)
class MailServices:
    """Everything about mail on one host; nothing of it on a host that sends none."""

    users: Service | None = None
    births: tuple[Birth, ...] = ()
    rspamd: Service | None = None
    dovecot: Service | None = None
    postfix: Service | None = None


def mail_services(host: Settings, password_hash: Callable[[str], str]) -> MailServices:
    """Decide the mail services of a host.

    Args:
        host: a host of any role.
        password_hash: sha512-crypt of an address's password.
    """
    if not host.sends_mail:
        return MailServices()
    boxes = mailboxes(host)
    hashes = {address: password_hash(address) for address in boxes.own}
    return MailServices(users(), births(host), rspamd(host), dovecot(host, hashes), postfix(host, boxes))


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


def dkim_key(domain: str, selector: str) -> str:
    """Where a domain's private DKIM key lies on its node."""
    return f"{KEY_FOLDER}/{domain}.{selector}.key"


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
    keys = render("rspamd/keys.map", domains=host.domains, key_folder=KEY_FOLDER)
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


def dovecot(host: Settings, hashes: Mapping[str, str]) -> Service:
    """Logins, delivery and mailboxes.

    Args:
        host: the node.
        hashes: sha512-crypt by address, of every mailbox.
    """
    return Service(
        name="dovecot",
        files=(
            File(
                "/etc/dovecot/dovecot.conf",
                render("dovecot/dovecot.conf", fqdn=host.fqdn, certificate=CERTIFICATE),
            ),
            File(
                "/etc/dovecot/users",
                render("dovecot/users", users=sorted(hashes.items())),
                mode=0o640,
                group="dovecot",
                secret=True,
            ),
        ),
        unit="dovecot",
        check=render("dovecot/check.sh", certificate=CERTIFICATE),
        # Also for the users file: Dovecot misses a rewrite of equal size within a second of its last load.
        reload="systemctl reload dovecot",
        restart="systemctl restart dovecot",
        health=render("dovecot/health.sh"),
    )


def postfix(host: Settings, boxes: Mailboxes) -> Service:
    """The mail server."""
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
        check=render("postfix/check.sh"),
        reload="systemctl reload postfix",
        restart="systemctl restart postfix",
        health=render("postfix/health.sh", postmaster=boxes.postmaster),
    )
