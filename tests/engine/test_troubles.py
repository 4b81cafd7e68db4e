"""What goes wrong in one place, and what must not go wrong because of it."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import nats as nats_client
import nkeys
import pytest
from nats.errors import Error as NatsError

from engine import subjects
from engine.link import Link
from engine.messages import Report
from engine.model import State
from engine.routes import DnsRoutes
from tests.engine.servers import Nats, free_port
from tests.engine.world import MANNER, OWNER, PACE, Fleet
from tests.validator.servers import Mx
from validator.operators import default_operators

LIFTED = {"connections": 0, "recipients": 0, "rate": 0, "connects": 0, "daily": 0}
NAMED = default_operators({"operator": [{"name": name, **LIFTED} for name in ("default", "google")]})
"""The shipped names without their limits."""


def test_verdicts_reported_twice_or_for_rows_and_jobs_that_are_none_count_once_or_not(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(30))
        async with fleet.coordinator():
            client = await nats_client.connect(fleet.nats.url)
            jetstream = client.jetstream()
            while not await jetstream.streams_info():
                await asyncio.sleep(0.05)
            one = {"status": "VALID", "email": "x", "valid": True}
            say = jetstream.publish
            for _ in range(3):
                await say(subjects.verdict("n1"), Report(job, 1, 1, ((1, one), (1, one), (2, one))).encode())
            await say(subjects.verdict("n1"), Report(job, 1, 1, ((31, one), (0, one))).encode())
            await say(subjects.verdict("n1"), Report("no such job", 1, 1, ((1, one),), over=True).encode())
            await say(subjects.verdict("n1"), Report(job, 999, 7, back=(1, 2), over=True, tries=5).encode())
            odd = {**one, "email": "x@\0\ud800.test", "reply": "\0\ud800", "operator": "google"}
            await say(subjects.verdict("n1"), Report(job, 1, 1, ((3, odd),)).encode())
            await say(subjects.verdict("n1"), Report("\0\ud800", 1, 1, ((3, odd),)).encode())
            await say(subjects.verdict("n1"), b"garbage")
            await client.publish(subjects.heartbeat("n1"), b"garbage")
            await client.flush()
            found = await fleet.until(job, lambda found: found.done >= 3)
            async with fleet.worker():
                await fleet.until(job)
            await client.close()
        assert found.done == 3
        rows = await fleet.rows(job)
        assert sorted(row["row"] for row in rows) == list(range(1, 31))
        assert rows[2]["reply"] == "\0\ud800"

    asyncio.run(run())


def test_a_node_that_stops_gives_back_what_it_has_not_finished_and_ends_sessions_with_quit(
    fleet: Fleet,
) -> None:
    server = fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(40))
        slow: dict[str, Any] = {"budget": {"rate": 600, "connects": 0, "connections": 1, "daily": 0}}
        # Were a chunk only lost with the node, it would take this long to come back.
        async with fleet.coordinator(pace=replace(PACE, ack_wait=60)):
            async with fleet.worker("n1", **slow) as stop:
                await fleet.until(job, lambda found: found.done > 0)
                stop.set()
                await asyncio.sleep(1)
            assert all(session.quit for session in server.sessions)
            async with fleet.worker("n2"):
                await fleet.until(job, seconds=15)
        assert len(await fleet.rows(job)) == 40

    asyncio.run(run())


def test_a_chunk_that_nobody_can_finish_is_isolated_and_named_and_costs_one_address(fleet: Fleet) -> None:
    """The mail server never answers for one address; the validator's patience is longer than the node's."""
    hang = Mx(users={"u2"}, banner_delay=600)
    fleet.domain("a.test", "127.0.51.1")
    fleet.domain("hang.test", "127.0.51.2", hang)

    async def run() -> None:
        job = await fleet.submit([f"u{n}@a.test" for n in range(12)] + ["stuck@hang.test"])
        manner = replace(MANNER, give_up=0.5)
        slow = replace(fleet.settings().timeouts, banner=600)
        async with fleet.coordinator(), fleet.worker(manner=manner, timeouts=slow):
            done = await fleet.until(job, seconds=60)
        rows = {row["row"]: row for row in await fleet.rows(job)}
        assert len(rows) == 13
        assert (rows[13]["status"], rows[13]["reason"]) == ("UNKNOWN", "not_carried")
        assert done.counts == {"VALID": 6, "MAILBOX_NOT_FOUND": 6, "UNKNOWN": 1}
        assert done.error is not None
        assert "given up after 5 tries; it goes on in" in done.error
        assert "row 13 could not be checked" in done.error

    asyncio.run(run())


class TwoFaced(Mx):
    """Asks one address of ours for silence and serves the others."""

    angry = Mx(rcpt=lambda _local: "421 4.7.0 unusual rate of requests, try again later")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silenced = writer.get_extra_info("peername")[0] == "127.0.30.1"
        await (self.angry.serve if silenced else super().serve)(reader, writer)


def test_work_for_an_operator_that_wants_silence_goes_to_a_node_that_it_has_not_silenced(
    fleet: Fleet,
) -> None:
    google = TwoFaced(users={f"u{n}" for n in range(120)})
    fleet.domain("g.test", "127.0.51.1", google, host="aspmx.l.google.com")
    manner = replace(MANNER, window=4)
    first: dict[str, Any] = {"operators": NAMED, "source_ips": ("127.0.30.1",), "patience": 9000.0}
    second: dict[str, Any] = {"operators": NAMED, "source_ips": ("127.0.30.2",)}

    async def run() -> None:
        job = await fleet.submit(f"u{n}@g.test" for n in range(120))
        async with (
            fleet.coordinator(routes=DnsRoutes(fleet.world.resolver)),
            fleet.worker("n1", manner=manner, **first) as stop,
        ):
            found = await fleet.until(job, lambda found: found.cooling == ("google",))
            assert found.done == 0
            async with fleet.worker("n2", **second):
                # What the silenced node had begun stays its own: another source does not take it over.
                found = await fleet.until(job, lambda found: found.done >= 116, seconds=15)
                assert found.state is State.RUNNING
                stop.set()
                done = await fleet.until(job)
        assert done.counts == {"VALID": 120}
        assert sum(len(session.recipients) for session in TwoFaced.angry.sessions) <= 8

    asyncio.run(run())


def test_with_nats_storage_full_there_is_one_clear_line_and_work_goes_on_when_there_is_room(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(50))
        async with fleet.coordinator(pace=replace(PACE, work_bytes=300, verdict_bytes=300)):
            stuck = await fleet.until(job, lambda found: found.error is not None)
            assert stuck.state is State.QUEUED or stuck.state is State.RUNNING
            assert "NATS has no room left" in str(stuck.error)
            await asyncio.sleep(1)
            assert len(fleet.postgres.rows("SELECT 1 FROM engine.trouble")) == 1
        lines = [record for record in caplog.records if "no room left" in record.getMessage()]
        assert len(lines) == 1
        # Work has room now, verdicts still have none: nodes hold what they know, and say so.
        async with fleet.coordinator(pace=replace(PACE, verdict_bytes=300)), fleet.worker("n1"):
            stuck = await fleet.until(job, lambda found: "n1: NATS has no room" in str(found.error))
            assert stuck.done == 0
        async with fleet.coordinator(), fleet.worker("n2"):
            done = await fleet.until(job)
        assert done.error is None
        assert len(await fleet.rows(job)) == 50

    asyncio.run(run())


def test_with_all_of_nats_lost_in_mid_job_postgresql_alone_brings_it_to_its_end(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(200))
        slow: dict[str, Any] = {"budget": {"rate": 3000, "connects": 0, "daily": 0}}
        async with fleet.coordinator():
            async with fleet.worker("n1", **slow):
                await fleet.until(job, lambda found: found.done >= 10)
            client = await nats_client.connect(fleet.nats.url)
            for stream in (subjects.WORK, subjects.VERDICTS):
                await client.jetstream().delete_stream(stream)
            await client.close()
            async with fleet.worker("n2"):
                await fleet.until(job, seconds=40)
        assert sorted(row["row"] for row in await fleet.rows(job)) == list(range(1, 201))

    asyncio.run(run())


def test_a_second_coordinator_waits_and_takes_over(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        async with fleet.worker():
            async with fleet.coordinator():
                first = await fleet.submit(["u2@a.test"])
                await fleet.until(first)
                async with asyncio.TaskGroup() as group:
                    second = fleet.coordinator()
                    await second.__aenter__()
                    await asyncio.sleep(0.5)
                    held = fleet.postgres.rows(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    )
                    assert held == [(1,)]
                    del group
            job = await fleet.submit(["u4@a.test"])
            await fleet.until(job)
            await second.__aexit__(None, None, None)

    asyncio.run(run())


def test_lists_are_cut_by_the_operator_that_dns_names(fleet: Fleet) -> None:
    fleet.domain("g.test", "127.0.51.1", host="aspmx.l.google.com")
    fleet.domain("small.test", "127.0.51.2")

    async def run() -> None:
        addresses = [f"u{n}@g.test" for n in range(20)] + [f"u{n}@small.test" for n in range(20)]
        job = await fleet.submit([*addresses, "u1@gone.test", "nonsense"])
        async with fleet.coordinator(routes=DnsRoutes(fleet.world.resolver)):
            for _ in range(100):
                queues = fleet.postgres.rows(
                    "SELECT queue, sum(cardinality(places))::integer FROM engine.chunk GROUP BY queue"
                )
                if queues:
                    break
                await asyncio.sleep(0.05)
        assert dict(queues) == {"google": 20, "misc": 22}
        await fleet.jobs.cancel(job, owner=OWNER)

    asyncio.run(run())


def test_what_verdicts_tell_of_a_domain_is_used_for_the_next_list(fleet: Fleet) -> None:
    fleet.domain("g.test", "127.0.51.1", host="aspmx.l.google.com")

    async def run() -> None:
        async with fleet.coordinator(), fleet.worker(operators=NAMED):
            for n in (2, 4):
                await fleet.until(await fleet.submit([f"u{n}@g.test"]))
        assert fleet.postgres.rows("SELECT queue FROM engine.chunk ORDER BY job") == [("misc",), ("google",)]

    asyncio.run(run())


class Identities:
    """A server with TLS and identities, as a fleet has it."""

    def __init__(self, folder: Path) -> None:
        self.ca, certificate, key = _certificate(folder)
        seeds = {
            name: nkeys.encode_seed(name.encode().ljust(32, b"."), nkeys.PREFIX_BYTE_USER) for name in NAMES
        }
        public = {name: nkeys.from_seed(bytearray(seed)).public_key.decode() for name, seed in seeds.items()}
        for name, seed in seeds.items():
            (folder / f"{name}.nk").write_bytes(seed)
        self.folder = folder
        self.port = free_port()
        config = subjects.server_config(
            subjects.Server(
                f"127.0.0.1:{self.port}", str(folder / "store"), certificate=certificate, key=key
            ),
            public["coordinator"],
            {name: public[name] for name in ("n1", "n2")},
        )
        self.server = Nats(folder, config, port=self.port)

    def link(self, name: str) -> Link:
        return Link(f"tls://localhost:{self.port}", str(self.folder / f"{name}.nk"), self.ca)


NAMES = ("coordinator", "n1", "n2", "stranger")


def _certificate(folder: Path) -> tuple[str, str, str]:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    folder.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    certificate, private = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(certificate), str(certificate), str(private)


def test_a_nodes_identity_suffices_for_its_work_and_is_refused_everything_else(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.domain("a.test", "127.0.51.1")
    world = Identities(tmp_path / "nats")
    world.server.start()

    async def run() -> None:
        async with (
            fleet.coordinator(link=world.link("coordinator")),
            fleet.worker("n1", link=world.link("n1")),
        ):
            job = await fleet.submit(f"u{n}@a.test" for n in range(20))
            assert (await fleet.until(job)).done == 20
        refused = await _refused(world, "n1")
        assert refused == [
            "outreach.verdict.n2",
            "outreach.heartbeat.n2",
            "outreach.work.misc.job",
            "outreach.control",
            "$JS.API.STREAM.DELETE.WORK",
            "$JS.API.STREAM.PURGE.WORK",
            "$JS.API.CONSUMER.MSG.NEXT.VERDICTS.coordinator",
            "$JS.API.CONSUMER.DURABLE.CREATE.WORK.mine",
            "$JS.API.STREAM.MSG.GET.VERDICTS",
            "$JS.ACK.VERDICTS.coordinator.1.1.1.1.1",
            "subscribe _INBOX_n2.>",
            "subscribe outreach.verdict.*",
            "subscribe outreach.heartbeat.*",
            "subscribe >",
        ]

    try:
        asyncio.run(run())
    finally:
        world.server.stop()


async def _refused(world: Identities, name: str) -> list[str]:
    """What the server refuses of everything that is not the node's."""
    errors: list[str] = []

    async def on_error(error: Exception) -> None:
        errors.append(str(error))

    link = world.link(name)
    client = await nats_client.connect(
        link.url,
        tls=ssl.create_default_context(cafile=link.ca),
        nkeys_seed_str=Path(link.seed).read_text(),
        inbox_prefix=subjects.inbox(name),
        error_cb=on_error,
    )
    wrong = [
        subjects.verdict("n2"),
        subjects.heartbeat("n2"),
        subjects.work("misc", "job"),
        subjects.CONTROL,
        "$JS.API.STREAM.DELETE.WORK",
        "$JS.API.STREAM.PURGE.WORK",
        "$JS.API.CONSUMER.MSG.NEXT.VERDICTS.coordinator",
        "$JS.API.CONSUMER.DURABLE.CREATE.WORK.mine",
        "$JS.API.STREAM.MSG.GET.VERDICTS",
        "$JS.ACK.VERDICTS.coordinator.1.1.1.1.1",
    ]
    refused = []
    for subject in wrong:
        errors.clear()
        await client.publish(subject, b"x")
        await client.flush()
        await asyncio.sleep(0.02)
        if any("permissions violation" in error.lower() for error in errors):
            refused.append(subject)
    for subject in ("_INBOX_n2.>", "outreach.verdict.*", "outreach.heartbeat.*", ">"):
        errors.clear()
        await client.subscribe(subject)
        await client.flush()
        await asyncio.sleep(0.02)
        if any("permissions violation" in error.lower() for error in errors):
            refused.append(f"subscribe {subject}")
    await client.close()
    return refused


def test_without_an_identity_of_the_fleet_or_its_authority_nobody_comes_in(tmp_path: Path) -> None:
    world = Identities(tmp_path / "nats")
    world.server.start()

    async def come(link: Link, **more: object) -> None:
        client = await nats_client.connect(
            link.url,
            tls=ssl.create_default_context(cafile=link.ca or None),
            allow_reconnect=False,
            **({"nkeys_seed_str": Path(link.seed).read_text()} if link.seed else {}),
        )
        await client.close()

    try:
        asyncio.run(come(world.link("n2")))
        for link in (world.link("stranger"), replace(world.link("n1"), seed="")):
            with pytest.raises(NatsError, match=r"(?i)authorization"):
                asyncio.run(come(link))
        with pytest.raises(ssl.SSLError):
            asyncio.run(come(replace(world.link("n1"), ca="")))
    finally:
        world.server.stop()
