"""What others found out and wrote down: the fleet's status, the month's cost."""

from __future__ import annotations

import asyncio
import json
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from api.keys import Scope
from api.problems import Json, Problem
from api.routes.guard import KEYED, guarded, problems
from api.service import Service

router = APIRouter(route_class=guarded(Scope.REPORTS), dependencies=KEYED, tags=["reports"])

LARGEST = 16 << 20
"""Bytes of a report: the status of 700 nodes with 3,500 domains has six million."""

Name = Annotated[
    str,
    InPath(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="Of the report.", examples=["status"]),
]


class ReportShown(BaseModel):
    """A report as its author wrote it, and its age."""

    model_config = ConfigDict(extra="allow")

    age_seconds: float = Field(ge=0.0, description="Since it was written.")


@router.get(
    "/reports/{name}",
    response_model=ReportShown,
    responses=problems(404, 503),
    summary="A report, such as the fleet's status",
)
async def report(request: Request, name: Name) -> Json:
    """The latest: `status` is written every hour, `costs` with every change of the fleet."""
    service: Service = request.app.state.service
    folder = service.config.reports
    found = await asyncio.to_thread(read, folder / f"{name}.json") if folder else None
    if found is None:
        raise Problem(404, "no_such_report", "There is no such report, or none was written yet.")
    content, written = found
    age = max(0.0, time() - written)
    return Json(
        {**content, "age_seconds": round(age, 1)}, headers={"Last-Modified": formatdate(written, usegmt=True)}
    )


def read(path: Path) -> tuple[dict[str, Any], float] | None:
    """A report and when it was written; None if there is none.

    Raises:
        Problem: 503, it cannot be read, or is no JSON object.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
            written = path.stat().st_mtime
        content = json.loads(text) if len(text) <= LARGEST else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Problem(
            503, "report_unreadable", f"The report {path.stem} is damaged; it is written anew in time."
        )
    return content, written
