"""The archive inside the encryption: a plain tar stream whose last file vouches for all before it. Pure.

A tar header gives its file's size, and a dump's is not known before it has ended. So each entry is cut into
files of 4 MiB at most, `postgresql/n8n.00000` and so on: `cat` joins them, and neither side needs a disk.
First comes `about.json` (whose archive this is), last `manifest.json` (size and SHA-256 of each entry, its
files joined).
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from backup.errors import BackupError, DamagedError

FORMAT = 1
"""Of what is described here; a reader refuses a later one."""
PART = 4 << 20
"""Bytes of one file of an entry."""
ABOUT, MANIFEST = "about.json", "manifest.json"
KEYS, DATABASES, STATE = "keys", "postgresql", "sqlite"
"""Folders of the entries, in the order in which they are written and read."""

_BLOCK = 512  # tar's


@dataclass(frozen=True)
class About:
    """Whose archive it is.

    Args:
        fleet: the fleet's name.
        host: full name of the host.
        made: RFC 3339, UTC.
        release: version of the tools that made it.
        secret: fingerprint of the root secret that the host's keys were derived from.
        format: see :data:`FORMAT`.
    """

    fleet: str
    host: str
    made: str
    release: str
    secret: str
    format: int = FORMAT


@dataclass(frozen=True)
class Entry:
    """One thing to keep.

    Args:
        name: folder and name.
        chunks: its bytes, of any size; read once.
    """

    name: str
    chunks: Iterable[bytes] = field(repr=False)


@dataclass(frozen=True)
class Piece:
    """Some bytes of an entry, in their order."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Sealed:
    """What the manifest says of an entry, once the whole archive has been found to hold it."""

    name: str
    size: int
    sha256: str


def pack(about: About, entries: Iterable[Entry]) -> Iterator[bytes]:
    """The archive's bytes; entries are read as they are needed."""
    yield from _file(ABOUT, json.dumps(asdict(about), indent=1).encode())
    sealed = []
    for entry in entries:
        digest, size = hashlib.sha256(), 0
        for number, part in enumerate(_cut(entry.chunks)):
            digest.update(part)
            size += len(part)
            yield from _file(f"{entry.name}.{number:05}", part)
        sealed.append(asdict(Sealed(entry.name, size, digest.hexdigest())))
    yield from _file(MANIFEST, json.dumps({"entries": sealed}, indent=1).encode())
    yield bytes(2 * _BLOCK)


def unpack(stream: IO[bytes]) -> Iterator[About | Piece | Sealed]:
    """Read an archive: whose it is, then every entry's pieces, and when all are found whole, what they are.

    Raises:
        DamagedError: it ends early, or holds something else than its manifest says. Pieces that came before
            must not be believed.
        BackupError: a later version made it.
    """
    digests: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    manifest: list[Sealed] | None = None
    for name, data in _files(stream):
        if manifest is not None:
            raise DamagedError("something follows the manifest")
        if not digests and name == ABOUT:
            yield _about(data)
        elif name == MANIFEST:
            manifest = _parsed(data)
        else:
            entry = name.rpartition(".")[0]
            digests.setdefault(entry, hashlib.sha256()).update(data)
            sizes[entry] = sizes.get(entry, 0) + len(data)
            yield Piece(entry, data)
    if manifest is None:
        raise DamagedError("it ends early, without its manifest")
    found = [Sealed(name, sizes[name], digest.hexdigest()) for name, digest in digests.items()]
    if found != manifest:
        raise DamagedError("its content is not what its manifest says")
    yield from manifest


def _file(name: str, data: bytes) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    yield info.tobuf(tarfile.USTAR_FORMAT)
    yield data
    yield bytes(-len(data) % _BLOCK)


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of :data:`PART`, the last one smaller; one empty piece of nothing."""
    held = bytearray()
    whole = False
    for chunk in chunks:
        held += chunk
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
            whole = True
    if held or not whole:
        yield bytes(held)


def _files(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                file = tar.extractfile(info) if info.size <= PART else None
                if file is None:
                    raise DamagedError(f"it holds {info.name}, which no backup does")
                yield info.name, file.read()
        while stream.read(PART):  # whoever feeds it learns that all of it was wanted
            pass
    except tarfile.TarError as error:
        raise DamagedError(f"it cannot be read ({error})") from None


def _about(data: bytes) -> About:
    found = _object(data)
    if found.get("format") != FORMAT:
        raise BackupError(
            f"it has format {found.get('format')}, this version reads {FORMAT}:"
            " use the version of outreach that made it"
        )
    try:
        return About(**found)
    except TypeError:
        raise DamagedError(f"its {ABOUT} is not complete") from None


def _parsed(manifest: bytes) -> list[Sealed]:
    try:
        return [Sealed(**entry) for entry in _object(manifest)["entries"]]
    except (KeyError, TypeError):
        raise DamagedError(f"its {MANIFEST} is not complete") from None


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DamagedError("it holds no description of itself")
    return found
