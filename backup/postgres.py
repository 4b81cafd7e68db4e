"""Databases restored beside the ones in use, then exchanged for them in one transaction."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from backup.errors import BackupError
from backup.sources import last_line

NEW, BEFORE, SPENT = "restoring", "before", "spent"
"""What a database's other selves are called: `n8n_restoring`, `n8n_before`, and what is of no use now."""

AS_ADMINISTRATOR = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")

# Every table that holds a row; catalogues and other schemas' system tables left out.
_FILLED = """SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
AND (xpath('/table/row/x/text()', query_to_xml(format(
    'SELECT 1 AS x FROM %I.%I LIMIT 1', schemaname, tablename), false, false, '')))[1] IS NOT NULL"""


class Postgres:
    """The server, asked by its own administrator.

    Args:
        programs: folder of its programs.
        socket: folder of its socket.
        become: a command line that runs another one as the administrator.
    """

    def __init__(self, programs: Path, socket: Path, become: Sequence[str] = AS_ADMINISTRATOR) -> None:
        self._programs = programs
        self._socket = socket
        self._become = tuple(become)

    def filled(self, database: str) -> int:
        """How many of a database's tables hold anything; 0 too where there is no such database."""
        return int(self.sql(_FILLED, database)) if self.exists(database) else 0

    def exists(self, database: str) -> bool:
        """Whether there is one of this name."""
        return self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{database}'") == "1"  # noqa: S608 - our own names

    def tables(self, database: str) -> int:
        """How many tables it has."""
        query = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        return int(self.sql(query, database))

    def prepare(self, database: str) -> None:
        """Have an empty database beside the one of this name, owned by the same role."""
        new = f"{database}_{NEW}"
        self.drop(new)
        self.sql(f"CREATE DATABASE {new} OWNER {database} TEMPLATE template0")
        self.sql(f"REVOKE ALL ON DATABASE {new} FROM PUBLIC")

    def drop(self, name: str) -> None:
        """Drop a database, if there is one, whoever is connected."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def exchange(self, databases: Sequence[str], aside: Mapping[str, str]) -> None:
        """Give the restored databases their names, all or none.

        Args:
            databases: what was restored.
            aside: what each present one is called from then on; one that is not there is left out.
        """
        names = ", ".join(f"'{name}'" for name in databases)
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ({names})"  # noqa: S608 - our own names
        moves = [f"ALTER DATABASE {name} RENAME TO {to}" for name, to in aside.items()]
        moves += [f"ALTER DATABASE {name}_{NEW} RENAME TO {name}" for name in databases]
        self.sql(";\n".join(["BEGIN", end, *moves, "COMMIT"]) + ";")

    def sql(self, text: str, database: str = "postgres") -> str:
        """What a statement answers.

        Raises:
            BackupError: with what the server said.
        """
        argv = [*self._argv("psql", database), "-XqAt", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(argv, input=text.encode(), capture_output=True, check=False, cwd="/")
        if done.returncode:
            raise BackupError(f"PostgreSQL: {last_line(done.stderr)}")
        return done.stdout.decode().strip()

    def restoring(self, database: str) -> Restoring:
        """Takes a dump for the database that :meth:`prepare` made."""
        argv = [*self._argv("pg_restore", f"{database}_{NEW}")]
        argv += ["--no-owner", f"--role={database}", "--single-transaction"]
        return Restoring(database, argv)

    def _argv(self, program: str, database: str) -> list[str]:
        where = ("--host", str(self._socket), "--dbname", database)
        return [*self._become, str(self._programs / program), *where]


class Restoring:
    """One run of ``pg_restore`` that is fed a dump."""

    def __init__(self, database: str, argv: Sequence[str]) -> None:
        self._database = database
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said, cwd="/"
        )

    def write(self, data: bytes) -> None:
        """Feed it; one that has ended is found out by :meth:`end`."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            self.end()
            raise

    def end(self) -> None:
        """The dump is whole: have it committed.

        Raises:
            BackupError: with what ``pg_restore`` said.
        """
        try:
            self._process.communicate()
        except BrokenPipeError:
            self._process.wait()
        self._said.seek(0)
        said = self._said.read()
        self._said.close()
        if self._process.returncode:
            raise BackupError(f"database {self._database} cannot be restored: {last_line(said)}")

    def abandon(self) -> None:
        """End it; what it did is rolled back."""
        self._process.kill()
        self._process.wait()
        self._said.close()
