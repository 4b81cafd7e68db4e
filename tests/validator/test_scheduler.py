"""Budgets, cool-downs and returns, on a clock that is moved by hand or on scripted servers."""

from __future__ import annotations

import asyncio
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from tests.validator.conftest import Check, settings_for
from tests.validator.servers import Mx, World
from validator import Status, Validator
from validator.budget import DAY, Lane, Lanes
from validator.classify import default_table
from validator.operators import Budget, Operator, default_operators
from validator.suffixes import registered_domain


def lane(**budget: float) -> Lane:
    operator = Operator("o", Budget(**budget))  # type: ignore[arg-type]  # numbers by name
    return Lanes(0.0).of(operator, "", 0.0)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=100), st.integers(1, 60))
def test_no_window_of_a_minute_holds_more_recipients_than_the_rate(counts: list[int], rate: int) -> None:
    it = lane(rate=rate, daily=0)
    now = 0.0
    sent: list[tuple[float, int]] = []
    for count in counts:
        now += it.reserve(count, now)
        sent.append((now, count))
    for start, _ in sent:
        within = [count for at, count in sent if start <= at < start + 60 - 1e-6]
        assert sum(within) <= rate + within[-1] - 1


def test_a_cool_down_a_full_lane_and_a_spent_day_all_keep_it_closed() -> None:
    it = lane(connections=1, rate=0, connects=0, daily=3, recipients=2)
    assert it.wait(0.0) == 0
    it.open(0.0)
    assert it.wait(0.0) == inf
    it.close()
    it.silence(100, "throttled", 0.0)
    assert it.wait(40.0) == 60
    assert it.left(200.0, on_connection=0) == 2
    it.reserve(3, 200.0)
    assert it.wait(200.0) == inf
    assert it.left(200.0, on_connection=0) == 0
    assert it.wait(DAY + 1) == 0


def test_a_forgotten_lane_never_comes_back_with_a_lower_count() -> None:
    lanes = Lanes(0.0)
    budget = Budget(rate=0, connects=0, daily=100)
    lanes.of(Operator("kept", budget), "", 0.0).reserve(7, 0.0)
    for number in range(3000):
        lanes.of(Operator(f"o{number}", budget), "", 0.0).reserve(1, 0.0)
    assert len(lanes._lanes) <= 1100  # the bound is the promise, and it has no other face
    assert lanes.of(Operator("kept", budget), "", 0.0).sent >= 7


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("aspmx.l.google.com", "google"),
        ("acme-com.mail.protection.outlook.com", "microsoft"),
        ("acme-com.a-v1.mx.microsoft", "microsoft"),
        ("outlook-com.olc.protection.outlook.com", "microsoft-consumer"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("mx01.mail.icloud.com", "icloud"),
        ("us-smtp-inbound-1.mimecast.com", "mimecast"),
        ("mx1.some-company.co.uk", "some-company.co.uk"),
    ],
)
def test_the_operator_is_known_by_the_exchangers_name(host: str, name: str) -> None:
    assert default_operators().of(host).name == name


def test_the_registered_domain_is_the_librarys_for_every_rule_of_the_list() -> None:
    library = PublicSuffixList()
    suffixes = {rule.lstrip("!*.") for rule in library._publicsuffix if rule.isascii()}
    assert len(suffixes) > 9000
    hosts = [f"{front}{suffix}" for suffix in suffixes for front in ("", "mx.", "a.b.")]
    hosts += ["one.test", "mx.one.test", "com", "mx.a.xn--unknown-", "a..com"]
    assert [registered_domain(host) for host in hosts] == [
        library.privatesuffix(host) or host for host in hosts
    ]


def test_a_greylisted_address_comes_back_from_the_same_source_while_others_go_on(world: World) -> None:
    seen: dict[str, int] = {}

    def greylist(local: str) -> str | None:
        seen[local] = seen.get(local, 0) + 1
        return "450 4.2.0 Greylisted, try again later" if seen[local] == 1 else None

    grey = world.domain("grey.test", "127.0.41.1", Mx(users={"joe"}, rcpt=greylist))
    world.domain("a.test", "127.0.41.2", Mx(users={"ann"}))
    order: list[str] = []

    async def run() -> dict[str, Status]:
        sources = ("127.0.30.1", "127.0.30.2", "127.0.30.3")
        settings = settings_for(world, greylist_delays=(0.3, 0.6), source_ips=sources)
        async with Validator(settings) as validator:
            statuses = {}
            async for verdict in validator.stream(["joe@grey.test", "no@grey.test", "ann@a.test"]):
                order.append(verdict.email)
                statuses[verdict.email] = verdict.status
            return statuses

    statuses = asyncio.run(run())
    assert statuses == {
        "joe@grey.test": Status.VALID,
        "no@grey.test": Status.MAILBOX_NOT_FOUND,
        "ann@a.test": Status.VALID,
    }
    assert order[0] == "ann@a.test"
    assert len({session.peer for session in grey.sessions}) == 1
    assert all(session.quit for session in grey.sessions)


def test_a_throttled_operator_is_left_alone_and_the_address_is_not_lost(world: World, check: Check) -> None:
    answers = iter(["421 4.7.0 try again later"])
    script = Mx(users={"joe"}, rcpt=lambda local: next(answers, None) if local == "joe" else None)
    server = world.domain("busy.test", "127.0.41.1", script)
    (verdict,) = check("joe@busy.test", patience=60.0, budget={"rate": 0, "connects": 0, "cooldown": 0.5})
    assert verdict.status is Status.VALID
    assert server.sessions[1].opened - server.sessions[0].closed >= 0.4


def test_a_block_silences_the_operator_and_no_other_source_takes_over(world: World, check: Check) -> None:
    listed = "554 5.7.1 Client host blocked using zen.spamhaus.org"
    server = world.domain("wall.test", "127.0.41.1", Mx(banner=listed))
    addresses = [f"u{i}@wall.test" for i in range(50)]
    sources = ("127.0.30.1", "127.0.30.2")
    verdicts = check(*addresses, source_ips=sources, budget={"rate": 0, "connects": 0})
    assert {verdict.status for verdict in verdicts} == {Status.BLOCKED}
    assert len(server.sessions) == 1


def test_a_spent_day_is_said_and_not_overdrawn(world: World, check: Check) -> None:
    server = world.domain("a.test", "127.0.41.1", Mx(users={f"u{i}" for i in range(30)}))
    addresses = [f"u{i}@a.test" for i in range(30)]
    verdicts = check(*addresses, budget={"rate": 0, "connects": 0, "daily": 11})
    asked = sum(len(session.recipients) for session in server.sessions)
    assert asked <= 11
    assert [verdict.status for verdict in verdicts].count(Status.VALID) == 10
    assert {verdict.reason for verdict in verdicts} == {"accepted", "daily_cap"}


def test_connections_and_recipients_of_a_budget_hold(world: World, check: Check) -> None:
    users = {f"u{i}" for i in range(400)}
    server = world.domain("a.test", "127.0.41.1", Mx(users=users, delay=0.001))
    budget = {"rate": 0, "connects": 0, "connections": 3, "recipients": 20}
    verdicts = check(*(f"{user}@a.test" for user in users), budget=budget)
    assert {verdict.status for verdict in verdicts} == {Status.VALID}
    assert server.most_open <= 3
    assert max(len(session.recipients) for session in server.sessions) <= 20


def test_the_pause_is_per_operator_so_that_a_mixed_list_goes_fast(world: World, check: Check) -> None:
    servers = [world.domain(f"d{n}.test", f"127.0.42.{n + 1}", Mx(users={"joe"})) for n in range(20)]
    verdicts = check(*(f"joe@d{number}.test" for number in range(20)), rate_limit=3.0)
    assert {verdict.status for verdict in verdicts} == {Status.VALID}
    sessions = [session for server in servers for session in server.sessions]
    assert max(session.opened for session in sessions) < min(session.closed for session in sessions)


def test_an_address_taken_back_is_not_asked_for_and_its_session_ends_in_quit(world: World) -> None:
    server = world.domain("slow.test", "127.0.1.1", Mx(users={"u0"}, delay=0.05))

    async def leave_after_the_first() -> int:
        async with Validator(settings_for(world, rate_limit=0.1)) as validator:
            tasks = [asyncio.create_task(validator.check(f"u{n}@slow.test")) for n in range(50)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            left = validator.engine.pending
            await asyncio.sleep(1.0)
            assert all(session.quit for session in server.sessions)
            return left

    assert asyncio.run(leave_after_the_first()) == 0
    asked = [address for session in server.sessions for address in session.recipients]
    # The invented address, the first, and in each session at most one whose pause had begun.
    assert len(asked) <= 2 + len(server.sessions) <= 4


def test_an_impatient_address_gets_the_first_answer_while_a_patient_one_is_waited_for(world: World) -> None:
    seen: set[str] = set()

    def grey(local: str) -> str | None:
        known = local in seen
        seen.add(local)
        return None if known else "451 4.7.1 Greylisted, please try again"

    world.domain("grey.test", "127.0.1.1", Mx(users={"anna", "bert"}, rcpt=grey))

    async def both() -> tuple[Status, Status]:
        settings = settings_for(world, greylist_delays=(0.3,), patience=60.0)
        async with Validator(settings) as validator:
            hurried = await validator.check("anna@grey.test", patient=False)
            patient = await validator.check("bert@grey.test")
            return hurried.status, patient.status

    assert asyncio.run(both()) == (Status.GREYLISTED, Status.VALID)


def test_the_rules_are_read_while_the_first_server_thinks(world: World) -> None:
    world.domain("slow.test", "127.0.1.1", Mx(users={"anna"}, delay=0.5))
    default_table.cache_clear()

    async def before_and_after_the_first_answer() -> tuple[int, Status]:
        async with Validator(settings_for(world)) as validator:
            asked = asyncio.create_task(validator.check("anna@slow.test"))
            await asyncio.sleep(0.4)
            read = default_table.cache_info().currsize
            return read, (await asked).status

    assert asyncio.run(before_and_after_the_first_answer()) == (1, Status.VALID)
