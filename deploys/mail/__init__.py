"""What a node has besides: mailboxes, the signer, and Postfix."""

from __future__ import annotations

from functools import cache

from pyinfra.api.deploy import deploy

from deploys.base.settings import Settings
from deploys.mail.services import mail_services
from deploys.operations.births import born
from deploys.operations.service import configure
from deploys.secrets import password_hash, root_secret


@deploy("mail")
def mail(current: Settings) -> None:
    """Converge the mail services of a node; nothing on a host that sends no mail.

    Args:
        current: the current host.
    """
    wanted = mail_services(current, _hash)
    # What Postfix asks is up before Postfix is, and keys are there before the signer.
    configure(name="Mail users", service=wanted.users)
    born(name="Keys", births=wanted.births)
    configure(name="Rspamd", service=wanted.rspamd)
    configure(name="Dovecot", service=wanted.dovecot)
    configure(name="Postfix", service=wanted.postfix)


@cache
def _hash(address: str) -> str:
    """A plan and the apply after it need each hash twice, and each costs 1.5 ms."""
    return password_hash(root_secret(), address)
