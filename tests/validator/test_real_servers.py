"""One list against real mail servers with known truth: every status right, every session ended in QUIT."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.validator import debian
from tests.validator.conftest import settings_for
from tests.validator.servers import PORT, Mx, World
from validator import Status, Timeouts, Validator, Verdict

POSTFIX_MAIN = """
compatibility_level = 3.10
myhostname = mx.postfix.test
mydestination = postfix.test, grey.test, wall.test, narrow.test
mynetworks =
local_recipient_maps = inline:{joe=1, ann=1, full=1, closed=1}
virtual_mailbox_domains = all.test
virtual_mailbox_maps = static:anyone
alias_maps =
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{
    {full@postfix.test = 452 4.2.2 Mailbox is over quota},
    {closed@postfix.test = 550 5.2.1 Mailbox disabled} }
smtpd_client_event_limit_exceptions =
inet_protocols = ipv4
"""
POSTFIX_MASTER = f"""
127.0.43.1:{PORT} inet n - n - - smtpd
127.0.43.2:{PORT} inet n - n - - smtpd
    -o smtpd_recipient_restrictions=check_policy_service,inet:127.0.43.2:10023
127.0.43.3:{PORT} inet n - n - - smtpd
    -o {{ smtpd_client_restrictions = check_client_access static:{{554 5.7.1 Service unavailable;
      Client host blocked using zen.spamhaus.org; https://www.spamhaus.org/query}} }}
127.0.43.4:{PORT} inet n - n - - smtpd
    -o smtpd_client_connection_count_limit=2
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
proxymap unix - - n - - proxymap
verify unix - - n - 1 verify
error unix - - n - - error
"""
EXIM = f"""
primary_hostname = mx.exim.test
domainlist local_domains = exim.test
acl_smtp_rcpt = rcpt
daemon_smtp_ports = {PORT}
local_interfaces = 127.0.43.5
log_selector = +smtp_connection
log_file_path = /var/log/exim4/%slog
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
begin acl
rcpt:
  deny domains = !+local_domains
       message = relay not permitted
  require verify = recipient
  accept
begin routers
local:
  driver = accept
  domains = +local_domains
  local_parts = joe : ann : postmaster
  transport = nowhere
begin transports
nowhere:
  driver = appendfile
  file = /dev/null
"""
OPENSMTPD = f"""
listen on 127.0.43.6 port {PORT} hostname mx.opensmtpd.test
action "local" mbox
match from any for domain "opensmtpd.test" action "local"
"""
EDGE = "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [x.prod.protection.outlook.com]"
TRUTH = {
    "joe@postfix.test": Status.VALID,
    "nobody@postfix.test": Status.MAILBOX_NOT_FOUND,
    "full@postfix.test": Status.FULL,
    "closed@postfix.test": Status.DISABLED,
    "anyone@all.test": Status.CATCH_ALL,
    "joe@grey.test": Status.VALID,
    "nobody@grey.test": Status.MAILBOX_NOT_FOUND,
    "joe@wall.test": Status.BLOCKED,
    "joe@exim.test": Status.VALID,
    "nobody@exim.test": Status.MAILBOX_NOT_FOUND,
    "joe@opensmtpd.test": Status.VALID,
    "nosuch@opensmtpd.test": Status.MAILBOX_NOT_FOUND,
    "joe@edge.test": Status.VALID,
    "nobody@edge.test": Status.MAILBOX_NOT_FOUND,
    "joe@tarpit.test": Status.VALID,
    "joe@drop.test": Status.UNKNOWN,
    **{f"u{i}@narrow.test": Status.MAILBOX_NOT_FOUND for i in range(60)},
}


@pytest.fixture
def real(world: World, tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """The servers of Debian, listening; gives the root of their tree and their syslog."""
    with ExitStack() as stack:
        root = stack.enter_context(debian.overlay(tmp_path))
        lines = stack.enter_context(debian.syslog(root))
        (root / "etc/postfix/main.cf").write_text(POSTFIX_MAIN)
        (root / "etc/postfix/master.cf").write_text(POSTFIX_MASTER)
        (root / "etc/exim4").mkdir(exist_ok=True)
        (root / "etc/exim4/lab.conf").write_text(EXIM)
        (root / "etc/smtpd.conf").write_text(OPENSMTPD)
        for path, owner in (
            ("var/log/exim4", "Debian-exim"),
            ("var/spool/exim4", "Debian-exim"),
            ("var/empty", "root"),
        ):
            (root / path).mkdir(parents=True, exist_ok=True)
            subprocess.run(["chroot", str(root), "chown", owner, f"/{path}"], check=True)
        subprocess.run(["chroot", str(root), "chmod", "711", "/var/empty"], check=True)
        daemons = {
            "postgrey": (("postgrey", "--inet=127.0.43.2:10023", "--delay=5"), ("127.0.43.2", 10023)),
            "postfix": (("/usr/sbin/postfix", "start-fg"), ("127.0.43.1", PORT)),
            "exim": (("/usr/sbin/exim4", "-bdf", "-C", "/etc/exim4/lab.conf"), ("127.0.43.5", PORT)),
            "opensmtpd": (("/usr/sbin/smtpd", "-dv"), ("127.0.43.6", PORT)),
        }
        for name, (command, listens) in daemons.items():
            output = root / f"var/log/{name}.out"
            stack.enter_context(debian.running(root, *command, listens=listens, output=output))
        addresses = {"postfix": 1, "all": 1, "grey": 2, "wall": 3, "narrow": 4, "exim": 5, "opensmtpd": 6}
        for name, number in addresses.items():
            world.zone.mail(f"{name}.test", (10, f"mx.{name}.test", f"127.0.43.{number}"))
        yield root, lines


def scripted(world: World) -> list[Mx]:
    """What no package of Debian is."""
    world.zone.mail("edge.test", (10, "edge-test.mail.protection.outlook.com", "127.0.43.20"))
    edge = world.mx("127.0.43.20", Mx(users={"joe", "postmaster"}, unknown=EDGE))
    tarpit = world.domain("tarpit.test", "127.0.43.21", Mx(users={"joe"}, banner_delay=30))
    world.domain("drop.test", "127.0.43.22", Mx(drop_after="RCPT"))
    return [edge, tarpit]


@pytest.mark.root
def test_every_status_is_right_and_every_session_ends_in_quit(
    world: World, real: tuple[Path, list[str]]
) -> None:
    polite = scripted(world)

    async def run() -> dict[str, Verdict]:
        budget = {"rate": 0, "connects": 0, "cooldown": 2, "connections": 3}
        settings = settings_for(
            world,
            budget=budget,
            greylist_delays=(6.0, 12.0),
            patience=120.0,
            timeouts=Timeouts(),
            source_ips=("127.0.30.5",),
        )
        async with Validator(settings) as validator:
            return {verdict.email: verdict async for verdict in validator.stream(TRUTH)}

    verdicts = asyncio.run(run())
    wrong = {email: verdict for email, verdict in verdicts.items() if verdict.status is not TRUTH[email]}
    assert not wrong
    assert set(verdicts) == set(TRUTH)
    assert all(session.quit for server in polite for session in server.sessions)
    assert max(server.most_open for server in polite) <= 3
    _every_session_quit(*real)
    assert max(_open_at_once(real[0])) <= 3


def _open_at_once(root: Path) -> list[int]:
    """How many sessions Exim and OpenSMTPD had open each time one began, by their own logs."""
    exim = (root / "var/log/exim4/mainlog").read_text("utf-8", "replace")
    counts = [int(number) for number in re.findall(r"TCP/IP connection count = (\d+)", exim)]
    opensmtpd = (root / "var/log/opensmtpd.out").read_text("utf-8", "replace")
    now = 0
    for event in re.findall(r"smtp (connected|disconnected) ", opensmtpd):
        now += 1 if event == "connected" else -1
        counts.append(now)
    return counts


def _every_session_quit(root: Path, syslog: list[str]) -> None:
    """By the servers' own logs."""
    time.sleep(2)  # the servers' logs are written behind
    postfix = "\n".join(syslog)
    ended = re.findall(r"disconnect from \S*\[127\.0\.30\.5\] (.*)", postfix)
    assert ended, postfix
    refused = postfix.count("Connection concurrency limit exceeded")
    without = [line for line in ended if "quit=1" not in line]
    # A connection refused at the door is closed by Postfix itself, before any command.
    assert len(without) <= refused
    assert all(re.fullmatch(r"commands=0/0", line.strip()) for line in without)
    exim = (root / "var/log/exim4/mainlog").read_text("utf-8", "replace")
    opened = re.findall(r"SMTP connection from \[127\.0\.30\.5\].*TCP/IP connection count", exim)
    assert opened, exim
    assert len(re.findall(r"SMTP connection from .*\[127\.0\.30\.5\].* closed by QUIT", exim)) == len(opened)
    opensmtpd = (root / "var/log/opensmtpd.out").read_text("utf-8", "replace")
    connected = re.findall(r"smtp connected address=127\.0\.30\.5", opensmtpd)
    assert connected, opensmtpd
    assert len(re.findall(r"smtp disconnected reason=quit", opensmtpd)) == len(connected)
