"""What a host's backups hold, as its deploy wrote it down."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from backup.errors import BackupError

DEFAULT = Path("/etc/outreach/backup.toml")
SECRETS = "backup-secrets"
"""File of passwords and keys: beside the configuration for root, among the unit's credentials in it."""


class Config(BaseModel):
    """The file ``backup.toml``.

    Attributes:
        fleet: Name of the fleet.
        host: Full name of this host.
        secret: Fingerprint of the root secret that this host's keys are derived from.
        recipients: Age public keys; none means that no backups are made.
        keep_days: How long an archive stays, counted back from the newest.
        folder: Where archives are kept.
        postgresql: Folder of PostgreSQL's programs.
        socket: Folder of its socket.
        databases: What to dump, each as the role of its own name.
        state: Folders whose SQLite files are kept.
        holders: Patterns of the units that hold any of it, stopped while it is replaced.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fleet: str
    host: str
    secret: str
    recipients: tuple[str, ...]
    keep_days: int
    folder: Path
    postgresql: Path
    socket: Path
    databases: tuple[str, ...]
    state: tuple[Path, ...] = ()
    holders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Secrets:
    """What the file of secrets holds.

    Args:
        passwords: by database role.
        keys: to be kept in the archive, by name.
    """

    passwords: Mapping[str, str] = field(repr=False)
    keys: Mapping[str, str] = field(repr=False)


def load(path: Path = DEFAULT) -> Config:
    """Read and check it.

    Raises:
        BackupError: naming the file and the key.
    """
    try:
        return Config.model_validate(_table(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BackupError(f"{path}: {where}: {first['msg']}") from None


def load_secrets(path: Path = DEFAULT, environ: Mapping[str, str] = os.environ) -> Secrets:
    """Read the secrets that belong to a configuration.

    Raises:
        BackupError: they are not there. None is shown.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    found = _table(Path(folder, SECRETS) if folder else path.with_name(f"{SECRETS}.toml"))
    return Secrets(found.get("passwords", {}), found.get("keys", {}))


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BackupError(f"{path} cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise BackupError(f"{path} is not as a deploy writes it; apply again") from None
