"""A list that is uploaded: to a file on disk as it comes, then read from there an address at a time.

A job is taken in only once its list is here: a slow client must not hold the job store meanwhile.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.requests import Request

from api.problems import Problem
from validator.rows import InputError, Reader, kind_of

TYPES = {
    "text/plain": "txt",
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
}
BATCH = 2_000
_BLOCK = 1 << 20


@dataclass
class List:
    """An uploaded list; close it after use."""

    stream: BinaryIO
    kind: str
    column: str

    async def addresses(self, most: int) -> AsyncGenerator[str, None]:
        """The addresses in order; a record without one gives an empty text, so that it gets a verdict too.

        Raises:
            Problem: 422, the list cannot be read; 413, it is longer than `most`.
        """
        self.stream.seek(0)
        count = 0
        try:
            rows = Reader(self.stream, "the list", self.kind, self.column).rows()
            while batch := await asyncio.to_thread(lambda: list(islice(rows, BATCH))):
                count += len(batch)
                if count > most:
                    raise Problem(413, "too_many_addresses", f"The list has more than {most:,} addresses.")
                for row in batch:
                    # Bytes that are no UTF-8 came as surrogates, which no database stores.
                    yield row.address.encode("utf-8", "replace").decode()
        except InputError as error:
            raise Problem(422, "unreadable_list", f"{error}.") from None

    async def close(self) -> None:
        """Let go of the file."""
        await asyncio.to_thread(self.stream.close)


async def in_memory(addresses: Iterable[str]) -> AsyncIterator[str]:
    """A list from JSON, in the same form."""
    for number, address in enumerate(addresses):
        if number % BATCH == 0:
            await asyncio.sleep(0)
        yield address


async def of_body(request: Request, kind: str, column: str, directory: Path) -> List:
    """Keep a body that is the list itself."""
    stream = await asyncio.to_thread(lambda: TemporaryFile(dir=directory))  # noqa: SIM115 - outlives this
    try:
        gathered = io.BytesIO()
        async for chunk in request.stream():
            gathered.write(chunk)
            if gathered.tell() >= _BLOCK:
                await asyncio.to_thread(stream.write, gathered.getvalue())
                gathered = io.BytesIO()
        await asyncio.to_thread(stream.write, gathered.getvalue())
        await asyncio.to_thread(stream.flush)
    except BaseException:
        stream.close()
        raise
    return List(stream, kind, column)


async def of_form(request: Request, kind: str, column: str) -> List:
    """Keep the part `file` of a form.

    Raises:
        Problem: 422, there is none.
    """
    # Starlette writes a part to a temporary file of its own once it is larger than a megabyte.
    form = await request.form(max_files=1, max_fields=0)
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Problem(
            422,
            "invalid_request",
            "A form wants the list as a file in the part `file`, and nothing else.",
            errors=[{"pointer": "#/file", "detail": "missing"}],
        )
    by_type = TYPES.get((file.content_type or "").partition(";")[0].strip())
    by_name = kind_of(file.filename or "")
    return List(file.file, kind or (by_name if by_name != "txt" else by_type or "txt"), column)
