"""Mail on a node: queue, keys, the server's names and its dialogue, the way out."""

from __future__ import annotations

import json
import smtplib
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from status.probe.commands import DOOR, PATIENCE, Unread, as_postfix, run
from status.probe.tls import any_certificate, certificate_of


def queue() -> dict[str, Any]:
    """Mails in Postfix's queue, and the age of the oldest."""
    mails, oldest, now = 0, 0.0, time.time()
    for line in run("postqueue", "-j").splitlines():
        mails += 1
        oldest = max(oldest, now - json.loads(line)["arrival_time"])
    return {"mails": mails, "oldest": oldest}


def keys(paths: Mapping[str, str]) -> dict[str, str]:
    """Base64 of the public half of each DKIM key that is there."""
    found = {}
    for domain, path in paths.items():
        if Path(path).exists():
            pem = run("openssl", "pkey", "-in", path, "-pubout")
            found[domain] = "".join(line for line in pem.splitlines() if not line.startswith("-"))
    return found


def mail_names() -> dict[str, str]:
    """What Postfix calls itself, and the address it sends from."""
    helo, bind = run("postconf", "-x", "-h", "smtp_helo_name", "smtp_bind_address").splitlines()
    return {"helo": helo.strip(), "bind": bind.strip()}


def outgoing(addresses: Sequence[str]) -> dict[str, str]:
    """Dial a mail server of others as Postfix's user, the only one that the firewall lets out."""
    problem = "nobody to dial"
    for address in addresses:
        try:
            said = as_postfix(
                "import socket, sys\n"
                f"with socket.create_connection((sys.argv[1], 25), {DOOR * 4}) as link:\n"
                f"    link.settimeout({PATIENCE})\n"
                "    print(link.makefile('rb').readline(512).decode('ascii', 'replace').strip())\n"
                "    link.sendall(b'QUIT\\r\\n')\n",
                address,
            )
        except Unread as error:
            problem = f"{address}: {error}"
            continue
        return (
            {"greeting": said}
            if said.startswith("220")
            else {"problem": f"{address}: {said or 'no greeting'}"}
        )
    return {"problem": problem}


def knock(address: str, port: int) -> bool:
    """Whether a TCP connection comes about."""
    try:
        if port == 25:
            code = f"import socket, sys; socket.create_connection((sys.argv[1], 25), {DOOR}).close()"
            as_postfix(code, address)
        else:
            socket.create_connection((address, port), DOOR).close()
    except (OSError, Unread):
        return False
    return True


def dialogue(address: str, recipients: Sequence[str]) -> tuple[dict[str, Any], bytes]:
    """Meet a mail server on port 25: EHLO, STARTTLS, MAIL, a RCPT for each recipient, QUIT. Nothing is sent.

    Returns:
        What :class:`status.facts.Greeting` holds, and the certificate it showed (DER; empty without TLS).
    """
    found: dict[str, Any] = {"name": "", "starttls": False, "problem": "", "refused": {}}
    shown = b""
    try:
        with smtplib.SMTP(address, 25, socket.gethostname(), PATIENCE) as smtp:
            found["name"] = words(smtp.ehlo()[1]).partition(" ")[0].lower()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=any_certificate())
                shown = certificate_of(smtp.sock)
                found["starttls"] = True
                smtp.ehlo()
            code, said = smtp.mail("")
            if code != 250:
                return found | {"problem": f"MAIL FROM:<>: {code} {words(said)}"}, shown
            for recipient in recipients:
                code, said = smtp.rcpt(recipient)
                if code // 100 != 2:
                    found["refused"][recipient] = f"{code} {words(said)}"
    except (OSError, ValueError, smtplib.SMTPException) as error:  # ValueError: a certificate of nonsense
        found["problem"] = str(error) or type(error).__name__
    return found, shown


def words(said: bytes) -> str:
    """A reply on one line."""
    return " ".join(said.decode("utf-8", "replace").split())
