"""The other side of the internet: a receiving mail server, and a host that is nobody to the fleet.

`mx.receiver.example` runs Postfix with rspamd as verifier. Its mailboxes: `carl` keeps what it gets, `echo`
also answers, `bounce` does not exist (550 5.1.1), `disabled` is switched off (550 5.2.1), `full` is full for
now (452 4.2.2), `overquota` for good (552 5.2.2), `grey` asks to come back (450 4.2.0); any other name is
refused as unknown (550 5.1.1). It also takes mail for every name in `catchall.example`. `stranger` has only
clients: swaks and openssl.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab.addresses import MX, STRANGER
from lab.dns import Dns
from lab.hosts import HostSpec, Software
from lab.process import LabError
from lab.world import ResourceRecord

DOMAIN = "receiver.example"
CATCH_ALL = "catchall.example"
MX_NAME = f"mx.{DOMAIN}"
GREETED = "gmail.com"
"""The domain whose exchanger `validator doctor` greets to see whether port 25 is open."""
_VMAIL = 5000  # the user that owns the mailboxes on the host; images.py makes it


class FarSide:
    """The receiving server, seen from the lab.

    Args:
        mail: directory of the mailboxes, which the host sees as `/srv/mail`.
        dns: where its zone is published.
    """

    def __init__(self, mail: Path, dns: Dns) -> None:
        self.mail = mail
        self.dns = dns

    def prepare(self) -> Software:
        """Make room for mail; the host boots with what is returned."""
        self.mail.mkdir()
        os.chown(self.mail, _VMAIL, _VMAIL)
        return Software("mx", {}, ("rspamd.service", "postfix.service"))

    def specs(self, ssh_keys: tuple[str, ...]) -> tuple[HostSpec, HostSpec]:
        """The receiving host and the stranger."""
        receiver = HostSpec("mx", (MX,), ssh_keys, {"/srv/mail": str(self.mail)})
        return receiver, HostSpec("stranger", (STRANGER,), ssh_keys)

    def publish(self) -> None:
        """Serve the zones and the PTRs of these hosts, as a well-kept receiver has them."""
        zone = [
            ResourceRecord(DOMAIN, "MX", 5, f"10 {MX_NAME}."),
            ResourceRecord(DOMAIN, "TXT", 5, f'"v=spf1 ip4:{MX} -all"'),
            ResourceRecord(f"_dmarc.{DOMAIN}", "TXT", 5, '"v=DMARC1; p=none"'),
            ResourceRecord(MX_NAME, "A", 5, MX),
            ResourceRecord(MX_NAME, "TXT", 5, '"v=spf1 a -all"'),
            ResourceRecord(f"stranger.{DOMAIN}", "A", 5, STRANGER),
        ]
        self.dns.publish(DOMAIN, zone)
        for domain in (CATCH_ALL, GREETED):
            self.dns.publish(domain, [ResourceRecord(domain, "MX", 5, f"10 {MX_NAME}.")])
        self.dns.set_ptr(MX, MX_NAME)
        self.dns.set_ptr(STRANGER, f"stranger.{DOMAIN}")

    def messages(self, mailbox: str) -> list[bytes]:
        """Every raw message that reached `mailbox` (a local part) as stored, oldest first."""
        maildir = self.mail / mailbox
        found = [path for part in ("new", "cur") for path in (maildir / part).glob("*")]
        return [path.read_bytes() for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    def wait_for_message(self, mailbox: str, token: str, timeout: float = 30) -> bytes:
        """The message in `mailbox` that contains `token` (a Message-ID or subject), once it is there.

        Args:
            mailbox: local part.
            token: text to look for in the raw message.
            timeout: seconds.

        Raises:
            LabError: it has not come in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            for raw in self.messages(mailbox):
                if token.encode() in raw:
                    return raw
            if time.monotonic() > deadline:
                raise LabError(f"no message with {token} reached {mailbox}@{DOMAIN} within {timeout:g} s")
            time.sleep(0.1)
