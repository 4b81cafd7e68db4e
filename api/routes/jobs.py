"""Long lists: hand one in, look how far it is, read what is known, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import jobs as domain
from api.checking import row_of
from api.front import no_space
from api.keys import Scope
from api.problems import Json, Problem, invalid, json_bytes, too_many
from api.routes.guard import KEYED, guarded, problems
from api.routes.telegram import IdempotencyKey
from api.routes.validate import NDJSON, Flag
from api.service import Service
from api.uploads import TYPES, List, in_memory, of_body, of_form

router = APIRouter(route_class=guarded(Scope.JOBS), dependencies=KEYED, tags=["jobs"])


def _whole(value: Any) -> Any:
    """Digits only: `int` would also take "1_0" and " 7 "."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("not a whole number")
    return value


Whole = BeforeValidator(_whole)
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["0192f0c1a2b3c4d5e6f708192a3b4c5d"])]


class NewJob(BaseModel):
    """A list as JSON; a file is better for a long one."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"emails": ["someone@example.com", "other@example.com"]}]},
    )

    emails: list[str]


class JobShown(BaseModel):
    """A job at one moment."""

    id: str
    state: Literal["QUEUED", "RUNNING", "PAUSED", "DONE", "CANCELLED", "FAILED"]
    total: int = Field(description="Addresses in the list, duplicates included.")
    done: int = Field(description="Those among them with a verdict.")
    counts: dict[str, int] = Field(description="Verdicts by name.", examples=[{"VALID": 812}])
    created: datetime
    finished: datetime | None
    error: str | None = Field(description="Why it failed or stands still.")
    eta_seconds: float | None
    rate: float | None = Field(description="Verdicts a second, of late.")
    cooling: list[str] = Field(description="Mail operators that asked for silence just now.")
    results: str = Field(description="Path of the verdicts.")


class JobsShown(BaseModel):
    """Jobs, the latest first."""

    jobs: list[JobShown]
    next: str | None = Field(description="Path of the next page.")


def _shown(job: domain.Job) -> dict[str, Any]:
    found = asdict(job)
    del found["owner"]
    found["state"] = job.state.value
    found["created"] = job.created.isoformat()
    found["finished"] = job.finished.isoformat() if job.finished else None
    found["results"] = f"/jobs/{job.id}/results"
    return found


async def on_job_error(_request: Request, error: Exception) -> Response:
    """Handler for errors of the job store."""
    raise problem_of(error)


def problem_of(error: Exception) -> Problem:  # noqa: PLR0911 - one for each error
    """What a caller is told of them."""
    match error:
        case domain.JobNotFound():
            return Problem(404, "no_such_job", "There is no such job, or it was pruned.")
        case domain.JobOver():
            return Problem(409, "job_over", f"{error}.")
        case domain.IdempotencyConflict():
            return Problem(409, "idempotency_key_reused", "This Idempotency-Key came with another list.")
        case domain.TooManyAddresses():
            return Problem(413, "too_many_addresses", f"{error}.")
        case domain.NobodyAtWork():
            return Problem(503, "no_nodes", f"{error}.", retry_after=30)
        case domain.StorageFull():
            return no_space()
    return Problem(503, "job_store", f"{error}", retry_after=30)


SCHEMA = {"schema": {"$ref": "#/components/schemas/NewJob"}}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": SCHEMA,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
                "example": {"file": "someone@example.com\nother@example.com\n"},
            },
            **{
                kind: {"schema": {"type": "string"}, "example": example}
                for kind, example in {
                    "text/plain": "someone@example.com\nother@example.com\n",
                    "text/csv": "email,name\nsomeone@example.com,Someone\n",
                    "application/x-ndjson": '{"email":"someone@example.com"}\n',
                }.items()
            },
        },
    }
}


@router.post(
    "/jobs",
    status_code=202,
    response_model=JobShown,
    responses=problems(400, 409, 413, 415, 503, 507),
    openapi_extra=BODY,
    summary="Hand in a list",
)
async def submit(
    request: Request,
    idempotency_key: IdempotencyKey = None,
    format_: Annotated[
        Literal["txt", "csv", "jsonl"] | None, Query(alias="format", description="If the type does not tell.")
    ] = None,
    column: Annotated[
        str, Query(max_length=100, description="Address column of a csv, key of a jsonl.")
    ] = "",
) -> Response:
    """A list as JSON, or as a file, which may be longer.

    A file is `text/plain` with one address a line, `text/csv` with a header line, `application/x-ndjson` with
    objects or strings, or the part `file` of a form.
    """
    service: Service = request.app.state.service
    limits = service.config.limits
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    owner = request.state.key.name
    if kind == "application/json":
        emails = await _json_list(request, limits.job_json_bytes, limits.job_list)
        job = await service.jobs.submit(in_memory(emails), owner=owner, key=idempotency_key)
        return _accepted(job)
    if kind == "multipart/form-data":
        uploaded = await of_form(request, format_ or "", column)
    elif kind in TYPES:
        uploaded = await of_body(request, format_ or TYPES[kind], column, service.config.state)
    else:
        known = ", ".join(["application/json", "multipart/form-data", *TYPES])
        raise Problem(415, "unsupported_type", f"Content-Type is not one of: {known}.")
    return _accepted(await _submit(service, uploaded, owner, idempotency_key))


async def _submit(service: Service, uploaded: List, owner: str, key: str | None) -> domain.Job:
    try:
        async with aclosing(uploaded.addresses(service.config.limits.job_addresses)) as addresses:
            return await service.jobs.submit(addresses, owner=owner, key=key)
    finally:
        await uploaded.close()


async def _json_list(request: Request, most_bytes: int, most: int) -> list[str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise Problem(
                413,
                "body_too_large",
                f"A JSON list may have {most_bytes:,} bytes. Send longer lists as text/plain, text/csv or"
                " application/x-ndjson.",
            )
    try:
        asked = NewJob.model_validate_json(bytes(body))
    except ValidationError as error:
        raise invalid([{**item, "loc": ("body", *item["loc"])} for item in error.errors()]) from None
    if len(asked.emails) > most:
        raise too_many(len(asked.emails), most)
    return asked.emails


def _accepted(job: domain.Job) -> Response:
    return Json(_shown(job), 202, headers={"Location": f"/jobs/{job.id}"})


@router.get("/jobs", response_model=JobsShown, responses=problems(503), summary="The key's jobs")
async def listing(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100), Whole] = 20,
    before: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{32}$", description="From the page before.")
    ] = None,
) -> Response:
    """The latest first."""
    service: Service = request.app.state.service
    jobs = await service.jobs.list(owner=request.state.key.name, limit=limit, before=before)
    following = f"/jobs?limit={limit}&before={jobs[-1].id}" if len(jobs) == limit else None
    return Json({"jobs": [_shown(job) for job in jobs], "next": following})


@router.get("/jobs/{id}", response_model=JobShown, responses=problems(404, 503), summary="How far a job is")
async def show(request: Request, id: JobId) -> Response:  # noqa: A002 - the field's name
    """State, counts, time left."""
    service: Service = request.app.state.service
    return Json(_shown(await service.jobs.get(id, owner=request.state.key.name)))


@router.get(
    "/jobs/{id}/results",
    responses={
        **problems(404, 503),
        200: {
            "description": "One line of JSON for each verdict: `seq`, `row` (its place in the list), and what"
            " /validate says of an address.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        },
    },
    response_class=Response,
    summary="A job's verdicts",
)
async def results(
    request: Request,
    id: JobId,  # noqa: A002
    after: Annotated[
        int, Query(ge=0, le=2**53, description="Only verdicts behind this `seq`, the last one seen."), Whole
    ] = 0,
    follow: Annotated[Flag, Query(description="Go on until the job is over.")] = "0",
) -> Response:
    """Nothing is ever added at or below a `seq` that was given out: come back with the last one seen."""
    service: Service = request.app.state.service
    owner = request.state.key.name
    await service.jobs.get(id, owner=owner)
    rows = service.jobs.results(id, owner=owner, after=after, follow=follow in ("1", "true"))
    return StreamingResponse(_lines(rows), media_type=NDJSON)


async def _lines(rows: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async for row in rows:
        yield json_bytes(row_of(row)) + b"\n"
        # A page of rows is there at once: of many readers none may have the loop for a whole page.
        await asyncio.sleep(0)


@router.post(
    "/jobs/{id}/cancel", response_model=JobShown, responses=problems(404, 503), summary="Stop a job for good"
)
async def cancel(request: Request, id: JobId) -> Response:  # noqa: A002
    """What is known so far stays."""
    service: Service = request.app.state.service
    return Json(_shown(await service.jobs.cancel(id, owner=request.state.key.name)))


@router.post(
    "/jobs/{id}/pause", response_model=JobShown, responses=problems(404, 409, 503), summary="Let a job rest"
)
async def pause(request: Request, id: JobId) -> Response:  # noqa: A002
    """Until it is resumed."""
    service: Service = request.app.state.service
    return Json(_shown(await service.jobs.pause(id, owner=request.state.key.name)))


@router.post(
    "/jobs/{id}/resume", response_model=JobShown, responses=problems(404, 409, 503), summary="Let a job go on"
)
async def resume(request: Request, id: JobId) -> Response:  # noqa: A002
    """A job that is not paused stays as it is."""
    service: Service = request.app.state.service
    return Json(_shown(await service.jobs.resume(id, owner=request.state.key.name)))
