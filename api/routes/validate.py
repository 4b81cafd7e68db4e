"""Addresses in, verdicts out, within one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.checking import LATE, row_of, verdicts
from api.front import CLIENT_GONE
from api.keys import Scope
from api.logs import access
from api.problems import Json, Problem, json_bytes, too_many
from api.routes.guard import KEYED, guarded, problems
from api.service import Service
from validator import Verdict

T = TypeVar("T")
NDJSON = "application/x-ndjson"
Flag = Literal["0", "1", "false", "true"]

router = APIRouter(route_class=guarded(Scope.VALIDATE), dependencies=KEYED, tags=["addresses"])


class Asked(BaseModel):
    """Addresses to check."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"emails": ["test@gmail.com", "user@example.com"], "rate_limit": 2.0},
                {"emails": ["someone@example.com"]},
            ]
        },
    )

    emails: list[str] = Field(description="As they are; a malformed one gets a verdict like any other.")
    rate_limit: float = Field(
        0.0,
        ge=0.0,
        le=60.0,
        allow_inf_nan=False,
        description="Seconds between two addresses of one domain. The service's own pause for each mail"
        " operator holds in any case; this can only make a call slower.",
    )


class Row(BaseModel):
    """What is known about one address."""

    email: str = Field(description="As it was sent.", examples=["test@gmail.com"])
    status: str = Field(description="For people.", examples=["Catch-all (Risky)"])
    valid: bool = Field(description="Whether mail may be sent on this verdict.")
    details: str = Field(description="One sentence.")
    mx_host: str | None = Field(description="The mail server that answered, or was tried last.")
    verdict: str = Field(description="The status for programs.", examples=["CATCH_ALL"])
    reason: str = Field(description="A word that narrows the verdict; `not_in_time` if the call ended first.")
    confidence: float = Field(ge=0.0, le=1.0)
    code: int | None = Field(description="The server's reply code.")
    enhanced: str | None
    stage: str
    operator: str | None
    source_ip: str | None
    rule: str | None
    reply: str | None
    suggestion: str | None
    disposable: bool
    role: bool
    free: bool
    attempts: int
    timings: dict[str, float]
    transcript: list[dict[str, Any]] | None = None


class Checked(BaseModel):
    """Verdicts in the order of the addresses."""

    total: int
    results: list[Row]


ANSWERS: dict[int | str, dict[str, Any]] = {
    **problems(400, 413, 503),
    200: {
        "description": "JSON in the order of the addresses, or with `stream=1` one line of JSON for each"
        " address as it becomes known.",
        "content": {NDJSON: {"schema": {"type": "string"}}},
    },
}


@router.post("/validate", response_model=Checked, responses=ANSWERS, summary="Check addresses")
async def validate(asked: Asked, request: Request, stream: Annotated[Flag, Query()] = "0") -> Response:
    """Answers when every address is known, but at the latest after the service's `validate_seconds`.

    Servers that ask to come back later are not waited for: such addresses are GREYLISTED or THROTTLED.
    Use `POST /jobs` for long lists and for patience.
    """
    service: Service = request.app.state.service
    limits = service.config.limits
    if len(asked.emails) > limits.addresses:
        raise too_many(len(asked.emails), limits.addresses)
    if service.validations >= limits.validations:
        raise Problem(503, "busy", "Too many calls of /validate are under way.", retry_after=5)
    if stream in ("1", "true"):
        return StreamingResponse(_lines(service, asked, request.state.id), media_type=NDJSON)
    answer = await unless_gone(request, _all(service, asked, request.state.id))
    return answer or Response(status_code=CLIENT_GONE)


async def _all(service: Service, asked: Asked, request_id: str) -> Json:
    known = {verdict.email: verdict async for verdict in _counted(service, asked, request_id)}
    rows = [row_of(known[email].to_dict()) for email in asked.emails]
    return Json({"total": len(rows), "results": rows})


async def _lines(service: Service, asked: Asked, request_id: str) -> AsyncIterator[bytes]:
    times: dict[str, int] = {}
    for email in asked.emails:
        times[email] = times.get(email, 0) + 1
    async with aclosing(_counted(service, asked, request_id)) as found:
        async for verdict in found:
            yield (json_bytes(row_of(verdict.to_dict())) + b"\n") * times[verdict.email]


async def _counted(service: Service, asked: Asked, request_id: str) -> AsyncGenerator[Verdict, None]:
    metrics, limits = service.metrics, service.config.limits
    service.validations += 1
    metrics.validations.set(service.validations)
    try:
        async with aclosing(
            verdicts(
                service.checker,
                asked.emails,
                in_hand=limits.in_hand,
                pause=asked.rate_limit,
                seconds=limits.validate_seconds,
            )
        ) as found:
            async for verdict in found:
                if verdict.reason == LATE:
                    metrics.late.inc()
                else:
                    metrics.verdicts.labels(verdict.status.value).inc()
                if service.config.log_addresses:
                    _log(verdict, request_id)
                yield verdict
    finally:
        service.validations -= 1
        metrics.validations.set(service.validations)


def _log(verdict: Verdict, request_id: str) -> None:
    data = {"request_id": request_id, "email": verdict.email, "verdict": verdict.status.value}
    access.info("verdict", extra={"data": {**data, "reason": verdict.reason}})


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None, with the work stopped, if the client leaves before."""
    gone = asyncio.create_task(_gone(request))
    task = asyncio.create_task(work)
    try:
        await asyncio.wait((gone, task), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(gone, task, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
