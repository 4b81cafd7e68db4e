"""How the probe asks its own host: commands, and Python as another user."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import subprocess
import sys
from typing import Any

PATIENCE = 15
"""Seconds for a command."""
DOOR = 2
"""Seconds for a connection."""


class Unread(Exception):
    """A section that cannot be read; its text is the reason."""


def run(*argv: str, check: bool = True, given: str = "", user: str = "") -> str:
    """The output of a command.

    Args:
        argv: its words.
        check: an exit status other than 0 is an error.
        given: its standard input.
        user: whom it runs as; root without it.
    """
    done: subprocess.CompletedProcess[str]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
            input=given,
            env={**os.environ, "LC_ALL": "C"},
            cwd="/",
            **(_as(user) if user else {}),
        )
    except FileNotFoundError:
        raise Unread(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Unread(f"{argv[0]} took longer than {PATIENCE} s") from None
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unread(f"{argv[0]} ended with {done.returncode}: {said[-1] if said else 'it said nothing'}")
    return done.stdout


def psql(database: str, query: str) -> Any:
    """What a query that makes one JSON value gives; asked as PostgreSQL's own user, over its socket."""
    answer = run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", database, "-c", query, user="postgres")
    return json.loads(answer)


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body of an HTTP service of this host, on loopback."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unread(
            f"port {port}: {getattr(error, 'strerror', '') or error or type(error).__name__}"
        ) from None
    finally:
        link.close()


def _as(user: str) -> dict[str, Any]:
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        raise Unread(f"there is no user {user}") from None
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}


def as_postfix(code: str, *argv: str) -> str:
    """What a Python text prints when Postfix's user runs it, the only one that the firewall lets out."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-I", "-c", code, *argv],
        **_as("postfix"),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 2,
    )
    if done.returncode:
        raise Unread(done.stderr.strip().rpartition("\n")[2].rpartition("] ")[2] or "it said nothing")
    return done.stdout.strip()
