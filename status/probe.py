"""What a host says of itself. Runs on the host, as root, by its own python3: standard library only.

It changes nothing. Its one argument is JSON: `units`, `mail` (whether it sends any), `keys` (path by
domain), `certificate` (path), `recipients` (that must be accepted), `knocks` (a list of address and port),
`outgoing` (addresses of a mail server of others). It prints one line of JSON, which
:class:`status.facts.HostFacts` reads; a section that cannot be read is missing, and `errors` has its reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE = 15  # seconds for a command
DOOR = 2  # seconds for a connection
API_PORT = 8025
LISTEN = "0A"  # proc(5): TCP_LISTEN of /proc/net/tcp
UNIT_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,ConditionResult,ConditionTimestampMonotonic"
)


class Unread(Exception):
    """A section that cannot be read; its text is the reason."""


def run(*argv: str, check: bool = True) -> str:
    """The output of a command."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise Unread(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Unread(f"{argv[0]} took longer than {PATIENCE} s") from None
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unread(f"{argv[0]} ended with {done.returncode}: {said[-1] if said else 'it said nothing'}")
    return done.stdout


def units(wanted: Sequence[str]) -> dict[str, Any]:
    """State of the units asked for, and of every enabled one of our own."""
    listed = run("systemctl", "list-unit-files", "outreach-*", "--state=enabled", "--no-legend", check=False)
    ours = [line.split()[0] for line in listed.splitlines() if line.strip()]
    names = list(dict.fromkeys([*wanted, *ours]))
    shown = run("systemctl", "show", f"--property={UNIT_PROPERTIES}", "--", *names)
    found = {}
    for name, block in zip(names, shown.split("\n\n"), strict=True):
        values = dict(line.split("=", 1) for line in block.strip().splitlines())
        tried = values.get("ConditionTimestampMonotonic", "0") != "0"
        found[name] = {
            "active": values["ActiveState"] if values["LoadState"] == "loaded" else values["LoadState"],
            "sub": values["SubState"],
            "enabled": values["UnitFileState"],
            "runnable": not (tried and values.get("ConditionResult") == "no"),
        }
    return found


def failed() -> list[str]:
    """Units in state `failed`."""
    listed = run("systemctl", "list-units", "--state=failed", "--no-legend", "--plain")
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def listening() -> list[int]:
    """TCP ports that something listens on, loopback left out."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                address, _, port = fields[1].partition(":")
                loopback = address.endswith("7F") or address == "0" * 24 + "01000000"
                if fields[3] == LISTEN and not loopback:
                    ports.add(int(port, 16))
    return sorted(ports)


def firewall() -> dict[str, bool]:
    """Whether our table is loaded, and its input chain drops what no rule lets in."""
    rules = run("nft", "list", "table", "inet", "outreach", check=False)
    drops = re.search(r"hook input priority [^;]*; policy drop;", rules) is not None
    return {"loaded": "chain input" in rules, "drops": drops}


def sshd() -> dict[str, str]:
    """The effective settings of sshd."""
    rows = (line.partition(" ") for line in run("sshd", "-T").splitlines())
    return {key: value for key, _, value in rows}


def disks() -> list[dict[str, Any]]:
    """Every file system that a service writes to, once."""
    found: dict[int, dict[str, Any]] = {}
    for path in ("/", "/boot", "/opt", "/var", "/var/lib", "/var/log", "/var/spool/postfix", "/var/vmail"):
        with suppress(FileNotFoundError):
            device, state = os.stat(path).st_dev, os.statvfs(path)
            found.setdefault(
                device,
                {
                    "mount": path,
                    "used": (state.f_blocks - state.f_bfree) * state.f_frsize,
                    "free": state.f_bavail * state.f_frsize,
                    "files_used": state.f_files - state.f_ffree,
                    "files_free": state.f_favail,
                },
            )
    return list(found.values())


def memory() -> dict[str, int]:
    """Bytes in all and available."""
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kib = {words[0].rstrip(":"): int(words[1]) for words in rows if len(words) > 1}
    return {"total": kib["MemTotal"] << 10, "available": kib["MemAvailable"] << 10}


def queue() -> dict[str, Any]:
    """Mails in Postfix's queue, and the age of the oldest."""
    mails, oldest, now = 0, 0.0, time.time()
    for line in run("postqueue", "-j").splitlines():
        mails += 1
        oldest = max(oldest, now - json.loads(line)["arrival_time"])
    return {"mails": mails, "oldest": oldest}


def updates() -> dict[str, Any]:
    """Pending packages of the security archive, and whether a reboot is wanted."""
    simulated = run("nice", "apt-get", "-s", "-qq", "-o", "Debug::NoLocking=1", "dist-upgrade")
    pending = [
        line.split()[1]
        for line in simulated.splitlines()
        if line.startswith("Inst ") and "Debian-Security:" in line
    ]
    stamps = [
        stamp.stat().st_mtime
        for name in (
            "/var/lib/apt/periodic/update-success-stamp",
            "/var/lib/apt/lists",
            "/var/cache/apt/pkgcache.bin",
        )
        if (stamp := Path(name)).exists()
    ]
    age = time.time() - max(stamps) if stamps else None
    return {"security": pending, "lists_age": age, "reboot": Path("/run/reboot-required").exists()}


def clock() -> dict[str, Any] | None:
    """What chrony says; None where systemd does not let it run (a container has its machine's clock)."""
    if units(["chrony.service"])["chrony.service"]["runnable"] is False:
        return None
    fields = run("chronyc", "-c", "tracking").strip().split(",")
    return {"leap": fields[-1], "offset": float(fields[4])}


def keys(paths: Mapping[str, str]) -> dict[str, str]:
    """Base64 of the public half of each DKIM key that is there."""
    found = {}
    for domain, path in paths.items():
        if Path(path).exists():
            pem = run("openssl", "pkey", "-in", path, "-pubout")
            found[domain] = "".join(line for line in pem.splitlines() if not line.startswith("-"))
    return found


def certificate(path: str) -> dict[str, Any]:
    """End and fingerprint of the certificate that the mail servers are to show."""
    try:
        blocks = re.findall(
            r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", Path(path).read_text(), re.DOTALL
        )
    except OSError as error:
        raise Unread(f"{path}: {error.strerror}") from None
    if not blocks:
        raise Unread(f"{path} holds no certificate")
    end = run("openssl", "x509", "-in", path, "-noout", "-enddate").strip().partition("=")[2]
    der = ssl.PEM_cert_to_DER_cert(blocks[0])
    return {"not_after": ssl.cert_time_to_seconds(end), "fingerprint": hashlib.sha256(der).hexdigest()}


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


def as_postfix(code: str, *argv: str) -> str:
    """What a Python text prints when Postfix's user runs it."""
    try:
        user = pwd.getpwnam("postfix")
    except KeyError:
        raise Unread("there is no user postfix") from None
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *argv],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 2,
    )
    if done.returncode:
        raise Unread(done.stderr.strip().rpartition("\n")[2].rpartition("] ")[2] or "it said nothing")
    return done.stdout.strip()


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


def any_certificate() -> ssl.SSLContext:
    """Takes what it is shown: it is looked at afterwards, and on mail ports nobody verifies it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def certificate_of(link: object) -> bytes:
    """What the other end of a TLS connection showed, as DER; empty if it showed none."""
    return (link.getpeercert(binary_form=True) or b"") if isinstance(link, ssl.SSLSocket) else b""


def words(said: bytes) -> str:
    """A reply on one line."""
    return " ".join(said.decode("utf-8", "replace").split())


def release() -> dict[str, Any] | None:
    """Our tools: version, and what the API answers on this host; None where there are none."""
    wanted = Path("/etc/outreach/release")
    if not wanted.exists():
        return None
    current = Path("/opt/outreach/current")
    found: dict[str, Any] = {"version": wanted.read_text().strip()}
    if current.is_symlink():
        found["current"] = current.readlink().name
    if run("systemctl", "is-enabled", "outreach-api.socket", check=False).strip() == "enabled":
        found.update(api_health())
    return found


def api_health() -> dict[str, Any]:
    """What the API answers to `GET /health`: asked here, its certificate is not what is in question."""
    streams = run("systemctl", "show", "--property=Listen", "--value", "outreach-api.socket")
    match = re.search(r"([0-9.]+):(\d+)", streams)
    host, port = (match[1], int(match[2])) if match else ("127.0.0.1", API_PORT)
    try:
        with socket.create_connection((host, port), DOOR) as link:
            link.settimeout(PATIENCE)
            # On loopback it speaks in the clear, to this host's own programs.
            plain = host.startswith("127.")
            with link if plain else any_certificate().wrap_socket(link) as line:
                line.sendall(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                reply = b"".join(iter(lambda: line.recv(4096), b"")).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        return {"health_problem": str(error) or type(error).__name__}
    status = re.match(r"HTTP/1\.\d (\d{3})", reply)
    version = re.search(r'"version"\s*:\s*"([^"]*)"', reply)
    return {
        "health": int(status[1]) if status else 0,
        "health_version": version[1] if version else "",
    }


def backups() -> dict[str, Any] | None:
    """The archives made of this host; None where none are wanted."""
    config, folder = Path("/etc/outreach/backup.toml"), Path("/var/lib/outreach-backup")
    if not config.exists() or "\nrecipients = []" in config.read_text():
        return None
    pulled, archives = folder / "pulled", [path.stat() for path in folder.glob("*.age")]
    found: dict[str, Any] = {"archives": len(archives), "since": config.stat().st_mtime}
    if archives:
        newest = max(archives, key=lambda status: status.st_mtime)
        found |= {"newest": newest.st_mtime, "size": newest.st_size}
    return found | ({"pulled": pulled.stat().st_mtime} if pulled.exists() else {})


def sections(asked: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """What to read, by the name it has in the facts."""
    found: dict[str, Callable[[], Any]] = {
        "updates": updates,  # the slowest first
        "units": lambda: units(asked["units"]),
        "failed": failed,
        "listening": listening,
        "firewall": firewall,
        "sshd": sshd,
        "disks": disks,
        "memory": memory,
        "clock": clock,
        "release": release,
        "backups": backups,
    }
    if asked["mail"]:
        found |= {
            "queue": queue,
            "keys": lambda: keys(asked["keys"]),
            "certificate": lambda: certificate(asked["certificate"]),
            "mail": mail_names,
            "greeting": lambda: dialogue("127.0.0.1", asked["recipients"])[0],
        }
        if asked["outgoing"]:
            found["outgoing"] = lambda: outgoing(asked["outgoing"])
    return found


def settled(waiting: Mapping[str, Future[Any]], errors: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Each section as it was read; what went wrong is noted."""
    for name, future in waiting.items():
        try:
            yield name, future.result()
        except Exception as error:  # one section must not cost the others
            errors[name] = str(error) or type(error).__name__


def main() -> None:
    """Read everything at the same time and print it."""
    asked, started = json.loads(sys.argv[1]), time.time()
    errors: dict[str, str] = {}
    with ThreadPoolExecutor(16) as pool:
        waiting = {name: pool.submit(read) for name, read in sections(asked).items()}
        doors = {f"{host} {port}": pool.submit(knock, host, port) for host, port in asked["knocks"]}
        facts = dict(settled(waiting, errors))
        facts["knocks"] = dict(settled(doors, errors))
    facts |= {"started": started, "ended": time.time(), "errors": errors}
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
