"""Is the service there."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request

from api.problems import Json
from api.routes.guard import Open, problems

router = APIRouter(route_class=Open, tags=["service"])


class Health(BaseModel):
    """The service answers."""

    status: str = Field(examples=["ok"])
    service: str = Field(examples=["email-validator-api"])
    version: str = Field(description="Of the release that runs.")


@router.get("/health", response_model=Health, responses=problems(), summary="Is the service there")
async def health(request: Request) -> Json:
    """Needs no key and is never limited."""
    version = request.app.state.service.version
    return Json({"status": "ok", "service": "email-validator-api", "version": version})
