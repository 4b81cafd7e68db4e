"""The `outreach-api` command: what it refuses, how it starts, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.api.running import Running, bare_environ, free_port, until
from tests.validator.servers import Mx

# As systemd does: the socket is number 3, and the variables name the process itself.
PASS = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        env={**bare_environ(), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ed25519",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=n1.test",
            ),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_check_says_that_a_service_can_be_served_and_opens_nothing(own: Running) -> None:
    own.write()
    done = command("check", "--config", str(own.config))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"127.0.0.1:{own.port}" in done.stdout
    assert not own.state.exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"listen": "0.0.0.0:8025"},
            "listen: 0.0.0.0 can be reached from other machines and there is no TLS",
        ),
        ({"listen": "[::]:8025"}, "there is no TLS"),
        ({"listen": "192.168.1.2:8025"}, "there is no TLS"),
        ({"listen": "8025"}, "is not IP:PORT"),
        ({"listen": "localhost:8025"}, "is not IP:PORT"),
        ({"lissten": "127.0.0.1:8025"}, "lissten: unknown key"),
        ({"limits": {"burst": 0}}, "limits"),
        ({"keys": "/nowhere/keys.toml"}, "cannot read /nowhere/keys.toml"),
        ({"validator": "/nowhere/validator.toml"}, "/nowhere/validator.toml"),
        ({"tls_certificate": "/nowhere/a.crt"}, "give both or neither"),
        ({"tls_certificate": "/nowhere/a.crt", "tls_key": "/nowhere/a.key"}, "cannot use /nowhere/a.crt"),
        ({"state": ""}, "state: name a directory"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_one_line(
    settings: dict[str, object], says: str, own: Running
) -> None:
    if "limits" in settings:
        own.limits = {"burst": 0}
    else:
        own.settings |= settings
    own.write()
    done = command("check", "--config", str(own.config))
    assert done.returncode == 1
    assert done.stdout == ""
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("outreach-api: ")


def test_serve_refuses_a_public_address_and_a_taken_port_in_one_line(own: Running) -> None:
    own.settings["listen"] = "0.0.0.0:0"
    own.write()
    done = command("serve", "--config", str(own.config))
    assert done.returncode == 1
    assert "there is no TLS" in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        own.settings["listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
        own.write()
        done = command("serve", "--config", str(own.config))
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_key_that_is_made_opens_what_its_block_says(own: Running) -> None:
    done = command("key", "n8n", "--scopes", "validate,notify")
    assert done.returncode == 0
    key, _, block = done.stdout.partition("\n")
    own.keys_file.write_text(block)
    own.start()
    with own.client(key) as client:
        assert client.post("/validate", json={"emails": []}).status_code == 200
        assert client.get("/jobs").status_code == 403
    wrong = command("key", "n8n", "--scopes", "everything")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)


def test_with_a_certificate_it_is_served_over_tls_alone(own: Running, certificate: tuple[Path, Path]) -> None:
    own.settings |= {"tls_certificate": str(certificate[0]), "tls_key": str(certificate[1])}
    own.start()
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    url = f"https://127.0.0.1:{own.port}/health"
    assert httpx.get(url, verify=trust, trust_env=False).json()["status"] == "ok"
    with pytest.raises(httpx.TransportError):
        httpx.get(url.replace("https", "http"), trust_env=False)


def test_a_socket_of_systemd_is_served_and_requests_wait_there_during_a_restart(own: Running) -> None:
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen(100)
        own.port = passed.getsockname()[1]
        own.settings["listen"] = f"127.0.0.1:{free_port()}"
        own.write()

        def start() -> subprocess.Popen[bytes]:
            number = str(passed.fileno())
            return subprocess.Popen(
                [
                    *(sys.executable, "-c", PASS, number),
                    *(sys.executable, "-m", "api", "serve", "--config", str(own.config)),
                ],
                pass_fds=[passed.fileno()],
                env={**bare_environ(), **own.environ},
                stderr=subprocess.DEVNULL,
            )

        answers: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            with own.client() as kept:
                while not stop.is_set():
                    answers.append(kept.get("/health").status_code)
                    with own.client() as client:
                        answers.append(client.get("/health").status_code)

        asker = threading.Thread(target=ask)
        serving = start()
        try:
            asker.start()
            assert until(lambda: len(answers) > 20, 20)
            serving.send_signal(signal.SIGTERM)
            serving.wait(20)
            time.sleep(0.5)
            before = len(answers)
            serving = start()
            assert until(lambda: len(answers) > before + 20, 20)
        finally:
            stop.set()
            serving.send_signal(signal.SIGTERM)
            serving.wait(20)
            passed.close()
            asker.join(30)
    assert set(answers) == {200}


def test_when_told_to_stop_it_ends_what_is_under_way_and_takes_nothing_new(own: Running) -> None:
    own.start()
    emails = [f"u{n}@slow.test" for n in range(10)]
    with (
        own.client() as client,
        client.stream("POST", "/validate?stream=1", json={"emails": emails}) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        assert own.process is not None
        own.process.send_signal(signal.SIGTERM)
        assert len(list(lines)) == 9
    assert own.process.wait(10) in (0, -signal.SIGTERM)


def test_stopping_is_bounded_and_every_session_ends_in_quit(own: Running, far_side: dict[str, Mx]) -> None:
    own.limits["stop_seconds"] = 1.0
    own.start()
    before = len(far_side["slow.test"].sessions)
    emails = [f"u{n}@slow.test" for n in range(500)]
    with own.connect() as line:
        line.sendall(own.request("POST", "/validate", {"emails": emails}))
        assert until(lambda: len(far_side["slow.test"].sessions) > before)
        began = time.monotonic()
        own.stop()
        assert time.monotonic() - began < 6
    opened = far_side["slow.test"].sessions[before:]
    assert until(lambda: all(log.closed for log in opened))
    assert all(log.quit for log in opened)


def test_private_addresses_are_dialled_only_where_a_lab_says_so(own: Running) -> None:
    del own.environ["OUTREACH_ALLOW_PRIVATE"]
    own.start()
    with own.client() as client:
        (row,) = client.post("/validate", json={"emails": ["anna@good.test"]}).json()["results"]
    assert (row["verdict"], row["reason"]) == ("NO_MX", "mx_private")


def test_the_state_directory_of_systemd_is_used_if_none_is_named(own: Running, tmp_path: Path) -> None:
    own.environ["STATE_DIRECTORY"] = str(tmp_path / "from-systemd")
    own.settings["state"] = ""
    own.start()
    assert (tmp_path / "from-systemd" / "jobs.sqlite3").exists()
    assert os.stat(tmp_path / "from-systemd").st_mode & 0o077 == 0
