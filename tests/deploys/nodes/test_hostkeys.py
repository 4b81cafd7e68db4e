"""Host keys: learned once, pinned, and never replaced without a person."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploys import hostkeys
from deploys.hostkeys import Contact, judge, learn
from inventory import Host
from inventory.hostkeys import read_pins

PINS = "# ours\nn1.infra.example,198.18.2.1 ssh-ed25519 AAAA1\nold.example,198.18.2.9 ssh-ed25519 AAAA9\n"


@pytest.mark.parametrize(
    ("names", "key", "contact"),
    [
        (("n1.infra.example", "198.18.2.1"), "AAAA1", Contact.KNOWN),
        (("n1.infra.example", "198.18.2.1"), "AAAA2", Contact.CHANGED),
        (("n1.infra.example", "198.18.2.5"), "AAAA1", Contact.LEARNED),
        (("n1.infra.example", "198.18.2.5"), "AAAA2", Contact.CHANGED),
        (("n9.infra.example", "198.18.2.9"), "AAAA3", Contact.CHANGED),
        (("n2.infra.example", "198.18.2.2"), "AAAA1", Contact.LEARNED),
    ],
)
def test_a_key_is_judged_by_every_name_it_is_pinned_for(
    names: tuple[str, str], key: str, contact: Contact
) -> None:
    assert judge(read_pins(PINS), names, key, Path("fleet.known_hosts")).contact is contact


def test_a_changed_key_names_its_line_and_how_to_accept_it() -> None:
    problem = judge(read_pins(PINS), ("x", "198.18.2.9"), "AAAA", Path("fleet.known_hosts")).problem
    assert problem
    assert "fleet.known_hosts:3" in problem
    assert "remove line 3" in problem


def private_key() -> paramiko.PKey:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return paramiko.Ed25519Key.from_private_key(io.StringIO(pem.decode()))


@contextmanager
def ssh_server(monkeypatch: pytest.MonkeyPatch, key: paramiko.PKey) -> Iterator[None]:
    """An SSH server on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(connection)
                transport.add_server_key(key)
                transport.start_server(event=threading.Event(), server=paramiko.ServerInterface())

        monkeypatch.setattr(hostkeys, "PORT", listener.getsockname()[1])
        threading.Thread(target=serve, daemon=True).start()
        yield


def host(name: str) -> Host:
    return Host(
        name,
        f"{name}.infra.example",
        ("nodes",),
        {"fqdn": f"{name}.infra.example", "ssh_hostname": "127.0.0.1"},
    )


def test_a_first_contact_is_pinned_under_name_and_address_and_kept_ever_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "fleet.known_hosts"
    file.write_text("# kept\nother.example ssh-ed25519 AAAA")
    first, second = private_key(), private_key()
    with ssh_server(monkeypatch, first):
        assert learn([host("n1")], file, timeout=10)["n1"].contact is Contact.LEARNED
        pinned = file.read_text()
        line = f"n1.infra.example,127.0.0.1 ssh-ed25519 {first.get_base64()}\n"
        assert pinned == f"# kept\nother.example ssh-ed25519 AAAA\n{line}"
        assert learn([host("n1")], file, timeout=10)["n1"].contact is Contact.KNOWN
    with ssh_server(monkeypatch, second):
        found = learn([host("n2")], file, timeout=10)["n2"]  # the address of n1 answers with another key
        assert found.contact is Contact.CHANGED
        assert f"{file}:3" in str(found.problem)
    assert file.read_text() == pinned
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_host_that_does_not_answer_is_unreachable_and_not_pinned(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = learn([host("n1")], tmp_path / "known_hosts", timeout=1)["n1"]
    assert found.contact is Contact.UNREACHABLE
    assert "no SSH at 127.0.0.1" in str(found.problem)
    assert not (tmp_path / "known_hosts").exists()
