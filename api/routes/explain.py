"""What one reply of a mail server means, and which rule says so."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.checking import row_of
from api.keys import Scope
from api.problems import Json
from api.routes.guard import KEYED, guarded, problems
from validator import Stage, explained

router = APIRouter(route_class=guarded(Scope.VALIDATE), dependencies=KEYED, tags=["addresses"])


class Explanation(BaseModel):
    """How a reply is read."""

    status: str = Field(description="For people.", examples=["Mailbox not found"])
    valid: bool
    details: str = Field(description="One sentence.")
    verdict: str = Field(description="The status for programs.", examples=["MAILBOX_NOT_FOUND"])
    reason: str
    confidence: float
    code: int | None
    enhanced: str | None
    stage: str
    mx_host: str | None
    rule: str
    source: str = Field(description="Where the rule comes from.")


@router.get("/explain", response_model=Explanation, responses=problems(), summary="Explain a server's reply")
async def explain(
    reply: Annotated[
        str,
        Query(min_length=1, max_length=2_000, description="The reply.", examples=["550 5.1.1 User unknown"]),
    ],
    mx: Annotated[
        str, Query(max_length=255, description="Host that gave it.", examples=["mx.example.com"])
    ] = "",
    stage: Annotated[Stage, Query(description="The command it answers.")] = Stage.RCPT,
) -> Response:
    """Asks nobody; reads the reply by the validator's rules."""
    return Json(row_of(explained(reply, stage=stage, mx=mx)))
