"""The `outreach-api` command.

Exit codes: 0 done; 1 an error, said in one line on stderr; 2 wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import App

from api.app import create_app
from api.config import DEFAULT_FILE, ConfigurationError, load_config
from api.keys import block, checked_name, new_key, parse_scopes
from api.server import listening
from api.server import serve as serve_app

app = App(
    name="outreach-api", help="The validator, the notifier and jobs over HTTP.", help_format="plaintext"
)


@app.command
def serve(*, config: Path = DEFAULT_FILE) -> int:
    """Serve until SIGTERM.

    Args:
        config: TOML file, see docs/api.md.
    """
    with _one_line():
        found = load_config(config)
        made = create_app(found)
        found.tls()
        serve_app(made, found, listening(found))
    return 0


@app.command
def check(*, config: Path = DEFAULT_FILE) -> int:
    """Load everything that serving needs and open nothing; say in one line what cannot work.

    Args:
        config: TOML file.
    """
    with _one_line():
        found = load_config(config)
        made = create_app(found)
        found.tls()
        made.openapi()
        sys.stdout.write(f"{config}: ready to listen on {found.listen}\n")
    return 0


@app.command
def key(name: str, *, scopes: str) -> int:
    """Make a key: shown once, and kept nowhere.

    Args:
        name: Who will use it.
        scopes: What for: validate, jobs, notify, metrics, reports; separated by commas.
    """
    with _one_line():
        checked_name(name, "NAME")
        wanted = parse_scopes([word for word in scopes.split(",") if word], "--scopes")
        made = new_key()
        sys.stdout.write(f"{made}\n\n# for the keys file:\n{block(name, made, wanted)}")
    return 0


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        sys.stderr.write(f"outreach-api: {error}\n")
        raise SystemExit(1) from None
    except OSError as error:
        sys.stderr.write(f"outreach-api: {error.filename or 'cannot start'}: {error.strerror or error}\n")
        raise SystemExit(1) from None


def main() -> None:
    """Run the command line; the exit status is the command's return value."""
    app()
