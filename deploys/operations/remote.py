"""Running a script on a host, or copying a file there, inside an operation; the outcome is a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paramiko import SSHException
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.host import Host


class RemoteError(Exception):
    """The host could not be asked: the connection broke, or it did not answer in time."""


def run(
    host: Host, script: str, *arguments: str, stdin: str | None = None, timeout: int = 300
) -> tuple[bool, list[str]]:
    """Run a shell script as root.

    What is sent on standard input is shown nowhere, neither with `-v` nor with `--debug-operations`.

    Args:
        host: where.
        script: text for ``sh``; ``$1`` is the first of `arguments`.
        arguments: passed quoted.
        stdin: text for the script's standard input.
        timeout: seconds.

    Returns:
        Whether it ended with 0, and the lines of its standard output.

    Raises:
        RemoteError: when the connection broke or the script took too long.
    """
    words = (QuoteString(word) for word in (script, "sh", *arguments))
    command = StringCommand("sh", "-c", *words)
    options: dict[str, Any] = {"_timeout": timeout} | ({"_stdin": stdin} if stdin is not None else {})
    try:
        succeeded, output = host.run_shell_command(command, **options)
    except TimeoutError as error:
        raise RemoteError(f"no answer within {timeout} s") from error
    except (OSError, EOFError, SSHException) as error:
        raise RemoteError(f"connection lost ({error or type(error).__name__})") from error
    return succeeded, output.stdout_lines


def copy(host: Host, file: Path, path: str) -> None:
    """Copy a file of this machine to a host, over the connection that is open.

    Args:
        host: where to.
        file: here.
        path: there; its folder exists.

    Raises:
        RemoteError: when the connection broke or the host could not keep the file.
    """
    try:
        host.put_file(str(file), path)
    except (EOFError, SSHException) as error:
        raise RemoteError(f"connection lost ({error or type(error).__name__})") from error
    except OSError as error:  # SFTP says no more than "Failure" where a disk is full
        raise RemoteError(f"{path} could not be written ({error or type(error).__name__})") from error
