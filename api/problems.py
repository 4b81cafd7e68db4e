"""Errors as RFC 9457 problem details: whatever goes wrong, a caller gets the same shape."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as FrameworkError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

MEDIA_TYPE = "application/problem+json"


class Json(Response):
    """JSON in pure ASCII: an address may hold what UTF-8 cannot."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return json_bytes(content)


def json_bytes(content: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


class FieldError(BaseModel):
    """One part of a request that cannot be used."""

    pointer: str = Field(description="JSON pointer into the body, or the name of a parameter.")
    detail: str


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="Always `about:blank`: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What is wrong and what to do, for people.")
    code: str = Field(description="What is wrong, for programs.")
    request_id: str = Field(description="The same as in the header X-Request-ID and in the service's log.")
    errors: list[FieldError] | None = Field(None, description="Each field that cannot be used.")


class Problem(HTTPException):
    """An answer that is an error.

    The framework lets its own kind of exception pass where it reads a body, hence the base class.

    Attributes:
        status_code: HTTP status.
        code: A word for programs.
        detail: A line for people.
        retry_after: Seconds after which the same call may succeed.
        errors: Fields that are wrong.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after: float | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        shown = dict(headers or {})
        if retry_after is not None:
            shown["Retry-After"] = str(max(1, math.ceil(retry_after)))
        super().__init__(status, detail, shown)
        self.code = code
        self.errors = errors


def body_of(problem: Problem, request_id: str) -> bytes:
    """The problem as JSON."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.errors:
        content["errors"] = list(problem.errors)
    return json_bytes(content)


def answer(problem: Problem, request_id: str) -> Response:
    """The problem as a response."""
    return Response(
        body_of(problem, request_id), problem.status_code, headers=problem.headers, media_type=MEDIA_TYPE
    )


async def on_problem(request: Request, error: Exception) -> Response:
    """Handler for `Problem`."""
    assert isinstance(error, Problem)  # noqa: S101 - how it is registered
    return answer(error, request.state.id)


_CODES = {
    400: ("bad_request", "The request cannot be read."),
    404: ("not_found", "There is nothing at this path; GET /openapi.json lists what there is."),
    405: ("method_not_allowed", "The path does not take this method; the header Allow lists those it takes."),
}


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Handler for what the framework raises: unknown paths, wrong methods, unreadable bodies."""
    assert isinstance(error, FrameworkError)  # noqa: S101 - how it is registered
    code, detail = _CODES.get(error.status_code, ("error", str(error.detail)))
    headers = error.headers
    if error.status_code == 405 and (methods := _methods(request)):
        headers = {"Allow": methods}
    return answer(Problem(error.status_code, code, detail, headers=headers), request.state.id)


def _methods(request: Request) -> str:
    """What the path takes: the framework would name those of its first route alone (RFC 9110, 10.2.1)."""
    fitting = (
        route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE
    )
    return ", ".join(sorted(method for route in fitting for method in route.methods))


async def on_invalid(request: Request, error: Exception) -> Response:
    """Handler for a request whose form is wrong; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - how it is registered
    return answer(invalid(error.errors()), request.state.id)


def invalid(errors: Sequence[Any]) -> Problem:
    """The problem for pydantic's errors."""
    first = errors[0]
    if first["type"] == "json_invalid":
        where = f" at byte {first['loc'][1]}" if len(first["loc"]) > 1 else ""
        return Problem(400, "invalid_json", f"The body is not JSON{where}.")
    for error in errors:
        if error["type"] == "too_long" and error["loc"][-1] == "emails":
            limit, count = error["ctx"]["max_length"], error["ctx"]["actual_length"]
            return too_many(count, limit)
    listed = [_field_error(error) for error in errors[:20]]
    named = "; ".join(f"{item['pointer']}: {item['detail']}" for item in listed[:3])
    return Problem(422, "invalid_request", named, errors=listed)


def too_many(count: int | None, limit: int) -> Problem:
    """The problem of a list that is too long."""
    has = f"The list has {count:,} addresses" if count else "The list is longer"
    return Problem(
        413,
        "too_many_addresses",
        f"{has}; this call takes {limit:,}. Send longer lists as a file to POST /jobs.",
    )


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    place, *path = error["loc"] or ("body",)
    if error["type"] == "extra_forbidden":
        detail = "unknown field"
    elif error["type"] == "missing" and not path:
        detail = "a JSON object is wanted, with Content-Type: application/json"
    else:
        detail = str(error["msg"])
    if place == "body":
        pointer = "#" + "".join(f"/{_escaped(part)}" for part in path)
    else:
        pointer = f"{place} {'.'.join(str(part) for part in path)}"
    return {"pointer": pointer[:200], "detail": detail[:300]}


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
