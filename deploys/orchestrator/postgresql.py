"""PostgreSQL 17: one database and one role for n8n and for the engine each. Pure."""

from __future__ import annotations

from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.orchestrator.credentials import Credentials

PACKAGES = ("postgresql-17", "postgresql-client-17")
UNIT = "postgresql@17-main"
DATABASES = ("engine", "n8n")
"""Each is owned by a role of its own name, which reaches no other."""

_CLUSTER = "/etc/postgresql/17/main"
_DATABASES_FILE = "/etc/outreach/databases.sql"


def account(database: str) -> str:
    """What a database's password is derived for."""
    return f"postgresql {database}"


def postgresql(memory_gib: int, credentials: Credentials) -> Service:
    """The server, closed to the world, proven by a login as each role.

    Args:
        memory_gib: the host's memory; n8n and NATS need most of it.
        credentials: of the roles.
    """
    settings = File(
        f"{_CLUSTER}/conf.d/outreach.conf", render("postgresql/postgresql.conf", **memory(memory_gib))
    )
    roles = {database: credentials.scram(account(database)) for database in DATABASES}
    activation = {"unit": UNIT, "databases_file": _DATABASES_FILE}
    return Service(
        name="postgresql",
        files=(
            settings,
            File(
                f"{_CLUSTER}/pg_hba.conf",
                render("postgresql/pg_hba.conf", databases=DATABASES),
                mode=0o640,
                owner="postgres",
                group="postgres",
            ),
            # Verifiers, not passwords; still nobody else's.
            File(
                _DATABASES_FILE,
                render("postgresql/databases.sql", roles=roles),
                mode=0o640,
                group="postgres",
                secret=True,
            ),
        ),
        unit=UNIT,
        check=render("postgresql/check.sh"),
        reload=render("postgresql/activate.sh", restart=False, **activation),
        restart=render("postgresql/activate.sh", restart=True, **activation),
        restart_for=frozenset({settings.path}),
        health=render(
            "postgresql/health.sh",
            passwords={database: credentials.password(account(database)) for database in DATABASES},
        ),
    )


def memory(gib: int) -> dict[str, int]:
    """PostgreSQL's share of a host's memory, in MiB; an eighth, because it is not alone there.

    The server's documentation (19.4, "Resource Consumption") starts a dedicated host at a quarter.
    """
    mib = gib * 1024
    return {
        "shared_buffers": min(mib // 8, 4096),
        "effective_cache_size": mib // 3,
        "maintenance_work_mem": min(mib // 32, 1024),
        "work_mem": min(max(mib // 512, 4), 64),
    }
