"""Figures for Prometheus."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.jobs import JobError
from api.keys import Scope
from api.metrics import CONTENT_TYPE
from api.routes.guard import KEYED, guarded, problems
from api.service import Service

router = APIRouter(route_class=guarded(Scope.METRICS), dependencies=KEYED, tags=["service"])

LATEST = 100


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        **problems(),
        200: {
            "description": "Prometheus' text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
    summary="Figures for Prometheus",
)
async def metrics(request: Request) -> Response:
    """Requests, verdicts, the outbox and jobs."""
    service: Service = request.app.state.service
    await _look_at_outbox(service)
    await _look_at_jobs(service)
    return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


async def _look_at_outbox(service: Service) -> None:
    found = await service.team.status()
    service.metrics.outbox_waiting.set(found.waiting if found else 0)
    service.metrics.outbox_oldest.set(found.oldest_seconds if found else 0)
    service.metrics.outbox_refused.set(found.refused if found else 0)


async def _look_at_jobs(service: Service) -> None:
    left = 0
    states: Counter[str] = Counter()
    for key in service.keyring.keys:
        if Scope.JOBS not in key.scopes:
            continue
        try:
            jobs = await service.jobs.list(owner=key.name, limit=LATEST)
        except JobError:
            continue  # the other figures are worth having
        states.update(job.state.value for job in jobs)
        left += sum(job.total - job.done for job in jobs if not job.state.over)
    service.metrics.jobs_now(states, left)
