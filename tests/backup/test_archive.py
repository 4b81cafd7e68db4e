"""The tar stream inside: what goes in comes out, and whatever is not whole is refused."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.archive import PART, About, Entry, Piece, Sealed, pack, unpack
from backup.errors import BackupError, DamagedError
from backup.seal import encrypt

ABOUT = About("test", "hub.infra.example", "2026-11-28T03:00:00+00:00", "0.1.0+r0", "f1")


def packed(**entries: bytes) -> bytes:
    return b"".join(pack(ABOUT, [Entry(f"sqlite/{name}", [data]) for name, data in entries.items()]))


def contents(archive: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in unpack(io.BytesIO(archive)):
        if isinstance(item, Piece):
            found[item.name] = found.get(item.name, b"") + item.data
    return found


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=4), st.lists(st.binary(max_size=2000), max_size=4), max_size=4
    )
)
def test_every_entry_comes_out_as_it_went_in(entries: dict[str, list[bytes]]) -> None:
    archive = b"".join(pack(ABOUT, [Entry(f"keys/{name}", chunks) for name, chunks in entries.items()]))
    items = list(unpack(io.BytesIO(archive)))
    assert items[0] == ABOUT
    assert contents(archive) == {f"keys/{name}": b"".join(chunks) for name, chunks in entries.items()}
    assert sum(isinstance(item, Sealed) for item in items) == len(entries)


def test_a_long_entry_is_cut_into_files_that_tar_alone_puts_together() -> None:
    data = bytes(range(256)) * (PART // 256) + b"rest"
    with tarfile.open(fileobj=io.BytesIO(packed(big=data))) as tar:
        assert tar.getnames() == ["about.json", "sqlite/big.00000", "sqlite/big.00001", "manifest.json"]
        parts = [tar.extractfile(name) for name in tar.getnames()[1:3]]
        assert b"".join(part.read() for part in parts if part) == data


def test_age_and_tar_read_an_archive_without_us(tmp_path: Path) -> None:
    identity, sealed = tmp_path / "identity.txt", tmp_path / "test.age"
    subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
    data = bytes(range(256)) * (PART // 256) + b"rest"
    with sealed.open("wb") as file:
        key = identity.read_text().splitlines()[1].rpartition(" ")[2]
        encrypt(pack(ABOUT, [Entry("postgresql/n8n", [data])]), file, [key])
    read = 'age -d -i "$1" "$2" | tar -x && cat postgresql/n8n.*'
    done = subprocess.run(
        ["sh", "-euc", read, "sh", identity, sealed], cwd=tmp_path, check=True, capture_output=True
    )
    assert done.stdout == data


@pytest.mark.parametrize("size", [0, 100, 512, 1000, 2048, 3000])
def test_an_archive_cut_short_is_refused(size: int) -> None:
    with pytest.raises(DamagedError):
        contents(packed(a=b"x" * 600, b=b"y")[:size])


def test_a_changed_byte_is_refused() -> None:
    archive = packed(a=b"spring", b=b"y")
    with pytest.raises(DamagedError, match="not what its manifest says"):
        contents(archive.replace(b"spring", b"summer", 1))


def test_an_entry_that_the_manifest_does_not_know_is_refused() -> None:
    one, other = packed(a=b"x"), packed(a=b"x", b=b"y")
    extra = other[len(one) - 2048 - 1024 : len(one) - 1024]
    at = one.index(b"manifest.json")
    with pytest.raises(DamagedError):
        contents(one[:at] + extra[:1024] + one[at:])


def test_the_archive_of_a_later_version_is_refused_before_anything_is_taken_from_it() -> None:
    later = b"".join(pack(About("test", "h", "now", "9.0", "f", format=2), [Entry("keys/a", [b"x"])]))
    with pytest.raises(BackupError, match="it has format 2, this version reads 1"):
        next(unpack(io.BytesIO(later)))
