"""Whole checks through a SOCKS5 proxy, one that serves and some that do not."""

from __future__ import annotations

import pytest

from tests.validator.conftest import Check
from tests.validator.proxies import Socks5
from tests.validator.servers import PORT, Mx, World
from validator import Status

IP = "127.0.40.1"


def test_a_proxy_that_is_not_there_is_named_as_the_cause(world: World, check: Check) -> None:
    world.domain("a.test", IP, Mx(users={"joe"}))
    (verdict,) = check("joe@a.test", proxy="socks5://127.0.0.1:1")
    assert (verdict.status, verdict.reason) == (Status.UNKNOWN, "proxy")


@pytest.mark.parametrize("account", [None, ("ann", "s3cret")])
def test_through_a_socks5_proxy_the_server_sees_the_proxys_address(
    world: World, check: Check, account: tuple[str, str] | None
) -> None:
    server = world.domain("a.test", IP, Mx(users={"joe"}))
    proxy = Socks5(account)
    world.listen("127.0.0.1", 10080, proxy.serve)
    login = "{}:{}@".format(*account) if account else ""
    found = check("joe@a.test", "no@a.test", proxy=f"socks5://{login}127.0.0.1:10080")
    assert [verdict.status for verdict in found] == [Status.VALID, Status.MAILBOX_NOT_FOUND]
    assert set(proxy.asked) == {(IP, PORT)}
    assert {session.peer for session in server.sessions} == {proxy.outwards}
    assert all(session.quit for session in server.sessions)


@pytest.mark.parametrize(
    ("proxy", "port"),
    [(Socks5(("ann", "s3cret")), PORT), (Socks5(), 9), (Socks5(silent=True), PORT)],
    ids=["wrong password", "target refuses", "silent"],
)
def test_what_a_proxy_cannot_do_is_unknown_and_never_about_the_mailbox(
    world: World, check: Check, proxy: Socks5, port: int
) -> None:
    world.domain("a.test", IP, Mx(users={"joe"}))
    world.listen("127.0.0.1", 10080, proxy.serve)
    url = "socks5://ann:wrong@127.0.0.1:10080"
    (verdict,) = check("joe@a.test", proxy=url, smtp_port=port)
    expected = (Status.TIMEOUT, "no_answer") if proxy.silent else (Status.UNKNOWN, "proxy")
    assert (verdict.status, verdict.reason) == expected
    assert "wrong" not in verdict.details
