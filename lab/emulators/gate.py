"""The way of a request in: log, fault, rate limit, token, the vendor's function in a transaction, and out."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.emulators.faults import Fault, Faults, Kind, When
from lab.emulators.fields import WrongTypeError
from lab.emulators.jobs import JobFailedError
from lab.emulators.vendor import Call, Operation, Reply, Upload, Vendor, VendorError

log = logging.getLogger(__name__)


class AbortableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, which also lets the application reset its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        """Hand every request of this connection a function that resets it."""
        super().connection_made(transport)
        served = self.app

        def reset() -> None:
            # Linger 0 makes the close a RST instead of a FIN (socket(7), SO_LINGER).
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            transport.abort()

        async def with_reset(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})["lab.reset"] = reset
            await served(scope, receive, send)

        self.app = with_reset


def vendor_app(vendor: Vendor, faults: Faults) -> ASGIApp:
    """The vendor's API as an ASGI application."""

    async def refuse(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _response(vendor.failure(status))

    routes = [
        Route(operation.path, _endpoint(vendor, operation), methods=[operation.method])
        for operation in vendor.operations()
    ]
    return Gate(
        Starlette(routes=routes, exception_handlers={404: refuse, 405: refuse, 500: refuse}), vendor, faults
    )


class Gate:
    """Logs each request, and lets it suffer the fault or the rate limit it meets."""

    def __init__(self, app: ASGIApp, vendor: Vendor, faults: Faults) -> None:
        self._app = app
        self._vendor = vendor
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; see https://asgi.readthedocs.io/en/latest/specs/www.html."""
        store, now = self._vendor.lab.store, self._vendor.lab.clock.now()
        method, path = scope["method"], scope["path"]
        entry = store.log(now, self._vendor.name, method, path, scope["query_string"].decode())
        fault = self._faults.take(method, path)
        allowance = self._vendor.limit.take(now)
        if not allowance.allowed:
            response: Response | None = _response(self._vendor.failure(429, allowance.retry_after))
        else:
            response = await self._answer(scope, receive, fault)
        status = None if response is None else response.status_code
        store.answered(entry, status, None if fault is None else fault.kind)
        if response is None:
            if fault is not None:  # else whoever asked is gone
                await _drop(scope, receive, fault)
            return
        for name, value in self._vendor.limit_headers(allowance).items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, fault: Fault | None) -> Response | None:
        """The response, or None where the connection is to end without one."""
        if fault is None:
            return await _run(self._app, scope, receive)
        match fault.kind:
            case Kind.RATE_LIMIT:
                return _response(self._vendor.failure(429, fault.retry_after))
            case Kind.EXPIRED_TOKEN:
                return _response(self._vendor.failure(401))
            case Kind.JOB_FAILURE:
                scope.setdefault("state", {})["fail_jobs"] = True
                return await _run(self._app, scope, receive)
            case Kind.MALFORMED:
                whole = await _run(self._app, scope, receive)
                return whole and Response(
                    bytes(whole.body)[: len(whole.body) // 2], whole.status_code, _json_type()
                )
        if fault.when is When.AFTER:
            await _run(self._app, scope, receive)
        return _response(self._vendor.failure(fault.status)) if fault.kind is Kind.ERROR else None


def _endpoint(vendor: Vendor, operation: Operation) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            call = await _read(request, vendor)
            fail = bool(request.scope.get("state", {}).get("fail_jobs"))
            with vendor.lab.jobs.request(fail=fail):
                if not operation.public:
                    vendor.authorise(call)
                reply = operation.function(call)
        except VendorError as error:
            return _response(error.reply)
        except WrongTypeError as error:
            return _response(vendor.wrong_type(error))
        try:
            await vendor.lab.jobs.wait(reply.jobs)
        except JobFailedError:
            log.exception("%s %s", vendor.name, call.url)
            return _response(vendor.failure(500))
        return _response(reply)

    return endpoint


async def _read(request: Request, vendor: Vendor) -> Call:
    text = await request.body()
    body: dict[str, Any] = {}
    form: Mapping[str, str] = {}
    files: Mapping[str, Upload] = {}
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(text.decode(errors="replace"), keep_blank_values=True))
    elif kind.startswith("multipart/form-data"):
        form, files = _multipart(kind, text)
    elif text.strip():
        try:
            body = json.loads(text)
            # Half a surrogate pair is JSON, but no text: it could be neither stored nor sent.
            json.dumps(body, ensure_ascii=False).encode()
        except ValueError:
            raise VendorError(vendor.bad_json()) from None
        if not isinstance(body, dict):
            raise VendorError(vendor.bad_json())
    url = str(request.url.replace(query=""))
    return Call(
        request.method, url, request.path_params, request.query_params, request.headers, body, form, files
    )


def _multipart(kind: str, text: bytes) -> tuple[dict[str, str], dict[str, Upload]]:
    """Fields and files of a multipart body (RFC 7578), which is MIME as in mail."""
    form: dict[str, str] = {}
    files: dict[str, Upload] = {}
    whole = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + text)
    for part in whole.iter_parts():
        name = str(part.get_param("name", "", "content-disposition"))
        data = part.get_payload(decode=True)
        file_name = part.get_filename()
        if not isinstance(data, bytes):
            continue  # a multipart inside, which is no field of a form
        if file_name is None:
            form[name] = data.decode(errors="replace")
        else:
            files[name] = Upload(file_name, data)
    return form, files


def _response(reply: Reply) -> Response:
    if reply.body is None:
        return Response(status_code=reply.status, headers=dict(reply.headers))
    text = json.dumps(reply.body, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(text, reply.status, {**_json_type(), **reply.headers})


def _json_type() -> dict[str, str]:
    return {"content-type": "application/json"}


async def _run(app: ASGIApp, scope: Scope, receive: Receive) -> Response | None:
    """Let the application answer into memory: answers are small, and a fault may replace them.

    None if whoever asked is gone amid the request, killed for one: that is no error of the vendor's.
    """
    start: dict[str, Any] = {}
    body = bytearray()

    async def collect(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    try:
        await app(scope, receive, collect)
    except ClientDisconnect:
        return None
    except Exception:
        # Starlette has answered by its handler of 500 and raises nevertheless, for servers that log.
        log.exception("%s %s", scope["method"], scope["path"])
    response = Response(bytes(body), start["status"])
    response.raw_headers = list(start["headers"])
    return response


async def _drop(scope: Scope, receive: Receive, fault: Fault) -> None:
    """End the connection without an answer, for a hang after a long silence."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    if fault.kind is Kind.HANG:
        try:
            await asyncio.wait_for(gone(), fault.seconds)
        except TimeoutError:
            pass
        else:
            return
    scope["extensions"]["lab.reset"]()
    await gone()
