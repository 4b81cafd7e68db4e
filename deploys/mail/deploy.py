"""The operations in their order, and what each is given. Takes the second that importing pyinfra takes."""

from __future__ import annotations

from functools import cache

from pyinfra.api.deploy import deploy

from deploys.mail.services import mail_services
from deploys.operations.births import born
from deploys.operations.service import configure
from deploys.secrets import account_password, password_hash, root_secret
from inventory.settings import Settings


class _Derived:
    """Passwords derived from the root secret. A hash costs 1.5 ms, and one run asks twice for each."""

    def password(self, address: str) -> str:
        return account_password(root_secret(), address)

    @cache  # noqa: B019 - there is one instance, which lives as long as the process
    def hash(self, address: str) -> str:
        return password_hash(root_secret(), address)


_PASSWORDS = _Derived()


@deploy("mail")
def mail(current: Settings) -> None:
    """Converge the mail services of a node; nothing on a host that sends no mail.

    Args:
        current: the current host.
    """
    wanted = mail_services(current, _PASSWORDS)
    # What Postfix asks is up before Postfix is, and keys are there before the signer.
    configure(name="Mail users", service=wanted.users)
    born(name="Keys", births=wanted.births)
    configure(name="Rspamd", service=wanted.rspamd)
    configure(name="Dovecot", service=wanted.dovecot)
    configure(name="Postfix", service=wanted.postfix)
