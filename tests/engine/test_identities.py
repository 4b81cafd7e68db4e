"""Who may say what: identities, permissions, TLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import nats as nats_client
import nkeys
import pytest
from nats.errors import Error as NatsError

from engine import subjects
from engine.link import Link
from tests.engine.servers import Nats, free_port
from tests.engine.world import Fleet


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
