"""What every request passes first: its id, its size, its line in the log, and an answer if all else fails."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import access
from api.metrics import Metrics
from api.problems import Problem, answer

log = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
# EFBIG is what a process gets that has reached its limit of a file's size (setrlimit(2)).
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
CLIENT_GONE = 499
"""In log and metrics: the client left before the answer, so there was none (nginx's number)."""


class Front:
    """ASGI middleware.

    Args:
        app: The rest.
        metrics: Where requests are counted.
        largest: Bytes a body may have, by path.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, largest: Callable[[str], int]) -> None:
        self._app = app
        self._metrics = metrics
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, receive, send, self._largest(scope["path"]))
        self._metrics.under_way.inc()
        try:
            await self._answered(visit)
        except asyncio.CancelledError:
            visit.status = visit.status or CLIENT_GONE
            raise
        finally:
            self._metrics.under_way.dec()
            self._tell(visit)

    async def _answered(self, visit: Visit) -> None:
        try:
            visit.refuse_large()
            await self._app(visit.scope, visit.receive, visit.send)
        except Exception as error:
            await visit.answer(self._problem(error, visit))

    def _problem(self, error: Exception, visit: Visit) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            return no_space()
        log.exception("request failed", extra={"data": {"request_id": visit.id}}, exc_info=error)
        return Problem(500, "internal_error", "Something is wrong in the service; its log says more.")

    def _tell(self, visit: Visit) -> None:
        seconds = time.monotonic() - visit.began
        status = CLIENT_GONE if visit.gone and not visit.complete else visit.status
        route = getattr(visit.scope.get("route"), "path", "other")
        method = visit.scope["method"]
        self._metrics.answered(method, route, status, seconds)
        key = visit.scope["state"].get("key")
        data = {
            "request_id": visit.id,
            "method": method[:20],
            "route": route,
            "status": status,
            "seconds": round(seconds, 4),
            "key": key.name if key else None,
            "bytes_in": visit.bytes_in,
            "bytes_out": visit.bytes_out,
            "client": (visit.scope.get("client") or ("",))[0],
        }
        access.info("request", extra={"data": data})


class Visit:
    """One request on its way through."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, largest: int) -> None:
        self.scope = scope
        self.began = time.monotonic()
        self.id = _request_id(scope)
        self.status = 0
        self.complete = False
        self.gone = False
        self.bytes_in = 0
        self.bytes_out = 0
        self._receive = receive
        self._send = send
        self._largest = largest
        scope.setdefault("state", {})["id"] = self.id

    def refuse_large(self) -> None:
        """Refuse a body by what its header says, before any of it is read."""
        declared = dict(self.scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._largest:
            raise self._too_large()

    async def receive(self) -> Message:
        """Count what comes."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone = True
        self.bytes_in += len(message.get("body", b""))
        if self.bytes_in > self._largest:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Put the id on the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], (b"x-request-id", self.id.encode())]}
        else:
            self.bytes_out += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)

    async def answer(self, problem: Problem) -> None:
        """Say what is wrong, unless an answer has begun: that one is cut off, which its reader notices."""
        if not self.status:
            await answer(problem, self.id)(self.scope, self.receive, self.send)

    def _too_large(self) -> Problem:
        lists = " Send longer lists as a file to POST /jobs." if self.scope["path"] == "/validate" else ""
        return Problem(413, "body_too_large", f"The body is larger than {self._largest:,} bytes.{lists}")


def no_space() -> Problem:
    """The problem of a full disk."""
    return Problem(
        507,
        "insufficient_storage",
        "The service's disk is full: nothing was kept of this request. Try again when there is space.",
        retry_after=60,
    )


def _request_id(scope: Scope) -> str:
    given: Any = dict(scope["headers"]).get(b"x-request-id", b"")
    text = given.decode("latin-1")
    return text if _ID.fullmatch(text) else uuid.uuid4().hex
