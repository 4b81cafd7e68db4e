"""A connection to one host whose key is pinned: commands with a stream on their standard input, files back.

Not pyinfra's: it keeps what goes through it in memory, and a database need not fit there.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from paramiko import RejectPolicy, SSHClient, SSHException

from backup.errors import BackupError

_CONNECT_SECONDS = 15.0
_CHUNK = 1 << 18


class Link:
    """Root on one host.

    Args:
        client: connected.
        name: what the host is called in errors.
    """

    def __init__(self, client: SSHClient, name: str) -> None:
        self._client = client
        self._name = name

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        """A command's exit status, and what it printed on both its outputs."""
        return self.feed(argv, None)

    def feed(self, argv: Sequence[str], stream: IO[bytes] | None) -> tuple[int, str]:
        """Run a command with a stream on its standard input.

        Args:
            argv: its words.
            stream: read to its end, unless the command ends before; None for nothing.

        Returns:
            Its exit status, and what it printed on both its outputs.

        Raises:
            BackupError: the connection broke.
        """
        with self._broken():
            channel = self._transport().open_session()
            try:
                channel.set_combine_stderr(True)
                channel.exec_command(shlex.join(argv))
                try:
                    while stream and not channel.exit_status_ready() and (data := stream.read(_CHUNK)):
                        channel.sendall(data)
                    channel.shutdown_write()
                except OSError:
                    if not channel.exit_status_ready() and not channel.closed:
                        raise
                printed = b"".join(iter(lambda: channel.recv(_CHUNK), b""))
                return channel.recv_exit_status(), printed.decode("utf-8", "replace")
            finally:
                channel.close()

    def fetch(self, path: str, into: IO[bytes]) -> None:
        """Copy a file of the host.

        Raises:
            BackupError: it cannot be read, or the connection broke.
        """
        with self._broken(), self._client.open_sftp() as sftp:
            sftp.getfo(path, into)

    def _transport(self) -> Any:
        return self._client.get_transport()

    @contextmanager
    def _broken(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, SSHException) as error:
            said = error.strerror if isinstance(error, OSError) else None
            raise BackupError(
                f"{self._name}: {said or error or type(error).__name__}; run it again"
            ) from None


@contextmanager
def linked(name: str, data: Mapping[str, Any]) -> Iterator[Link]:
    """Connect to a host.

    Args:
        name: its label.
        data: as the inventory describes it.

    Raises:
        BackupError: it cannot be reached, or shows another key than the pinned one.
    """
    pins, address, key = Path(data["ssh_known_hosts_file"]), data["ssh_hostname"], data.get("ssh_key")
    with SSHClient() as client:
        client.set_missing_host_key_policy(RejectPolicy())
        try:
            if pins.exists():
                client.load_host_keys(str(pins))
            client.connect(
                address,
                username=data["ssh_user"],
                key_filename=key,
                look_for_keys=False,
                allow_agent=key is None,
                timeout=_CONNECT_SECONDS,
            )
        except (OSError, EOFError, SSHException) as error:
            raise BackupError(
                f"{name} ({address}) cannot be reached: {error or type(error).__name__}; its key is pinned in"
                f" {pins} by `outreach apply`"
            ) from None
        yield Link(client, name)
