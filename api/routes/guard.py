"""Who may pass: key, scope and pace are judged before a byte of the body is read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from api.keys import Key, Scope
from api.problems import MEDIA_TYPE, Problem, ProblemBody
from api.service import Service

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

# These two only describe in the OpenAPI what `admit` does.
KEYED = [
    Security(APIKeyHeader(name="X-API-Key", scheme_name="key", auto_error=False)),
    Security(HTTPBearer(scheme_name="bearer", auto_error=False)),
]

_WORDS = {
    400: "The request cannot be read.",
    401: "There is no key, or it is not known.",
    403: "The key is not for this.",
    404: "There is no such thing.",
    409: "It cannot be done as things stand.",
    413: "The body or the list is too large.",
    415: "The body's type is not one of those above.",
    422: "A field or parameter cannot be used; `errors` names it.",
    429: "The key is used too often; `Retry-After` says when to come back.",
    500: "Something is wrong in the service.",
    502: "Telegram refused.",
    503: "Not now, or not configured.",
    507: "The disk is full; nothing was kept.",
}


def guarded(scope: Scope) -> type[APIRoute]:
    """A route that lets only keys of `scope` pass."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Handler:
            serve = super().get_route_handler()

            async def handler(request: Request) -> Response:
                admit(request, scope)
                _refuse_unknown(request, self)
                return await serve(request)

            return handler

    return Guarded


class Open(APIRoute):
    """A route that needs no key."""

    def get_route_handler(self) -> Handler:
        """See `APIRoute`."""
        serve = super().get_route_handler()

        async def handler(request: Request) -> Response:
            _refuse_unknown(request, self)
            return await serve(request)

        return handler


def admit(request: Request, scope: Scope) -> Key:
    """The caller's key.

    Raises:
        Problem: 401, 403 or 429.
    """
    service: Service = request.app.state.service
    key = service.keyring.find(_given(request))
    if key is None:
        raise Problem(
            401,
            "unauthorized",
            "No key, or a wrong one: send it in the header X-API-Key, or as Authorization: Bearer.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    request.state.key = key
    if scope not in key.scopes:
        raise Problem(403, "forbidden", f"The key {key.name} has not the scope {scope.value}.")
    wait = service.pace.take(key.name)
    if wait:
        raise Problem(429, "too_many_requests", f"The key {key.name} is used too often.", retry_after=wait)
    return key


def _given(request: Request) -> str:
    key = request.headers.get("x-api-key", "")
    if key:
        return key
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _refuse_unknown(request: Request, route: APIRoute) -> None:
    known = {parameter.alias for parameter in route.dependant.query_params}
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        errors = [{"pointer": f"query {name[:100]}", "detail": "unknown parameter"} for name in unknown[:20]]
        raise Problem(422, "invalid_request", f"{errors[0]['pointer']}: unknown parameter", errors=errors)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI says of errors; those that any call may get are always there."""
    every = sorted({401, 403, 422, 429, 500, *statuses})
    return {
        status: {
            "description": _WORDS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
        for status in every
    }


__all__ = ["KEYED", "Open", "ProblemBody", "admit", "guarded", "problems"]
