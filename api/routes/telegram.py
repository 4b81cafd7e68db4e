"""Tell the team."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import Answer
from api.front import no_space
from api.keys import Scope
from api.problems import MEDIA_TYPE, Problem, body_of, json_bytes
from api.routes.guard import KEYED, guarded, problems
from api.service import Service
from notifier import ConfigurationError, Fate, MessageError, OutboxError, Receipt, TokenRefusedError

router = APIRouter(route_class=guarded(Scope.NOTIFY), dependencies=KEYED, tags=["team"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Any word that names this call: a repeat with the same word gets the same answer and does"
        " nothing twice.",
        examples=["execution-231/notify"],
    ),
]


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair, which no encoding has") from None
    return value


Text = Annotated[str, AfterValidator(_text)]


class Message(BaseModel):
    """What to say."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"message": "Email validation complete!"},
                {
                    "message": "<b>bounce rate</b> 6.2 %",
                    "html": True,
                    "dedupe_key": "bounce/n1",
                    "window": 3600,
                    "wait": 0,
                },
            ]
        },
    )

    message: Text = Field(min_length=1, max_length=100_000)
    html: bool = Field(False, description="The message is Telegram's HTML; otherwise it stands as it is.")
    silent: bool = Field(False, description="Deliver without a sound.")
    dedupe_key: Text = Field(
        "",
        max_length=200,
        description="What is the same alert: repeats within `window` are counted instead of sent.",
    )
    window: float = Field(3600.0, ge=1.0, le=604_800.0, description="Seconds.")
    wait: float = Field(10.0, ge=0.0, le=30.0, description="Seconds to wait for the delivery; 0 only queues.")
    within: float = Field(
        86_400.0, ge=60.0, le=604_800.0, description="Seconds for which the message is worth sending."
    )


class Told(BaseModel):
    """What became of the message."""

    fate: str = Field(description="sent, queued, or counted (a repeat).", examples=["sent"])
    event: str = Field(description="The message's short name.", examples=["3efb2e"])
    reason: str = Field(description="Why it is not sent yet, or what it repeats.")
    remark: str = Field(description="What could not be done as asked.")


ANSWERS: dict[int | str, dict[str, Any]] = {
    **problems(400, 409, 413, 502, 503, 507),
    200: {"description": "Telegram has it, or it repeats one that was told.", "model": Told},
    202: {"description": "It is kept and will be sent.", "model": Told},
}


@router.post("/telegram/send", response_model=Told, responses=ANSWERS, summary="Send a message to the team")
async def send(message: Message, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Returns once the message is delivered or safely queued."""
    service: Service = request.app.state.service

    async def tell() -> Answer:
        return await _told(service, message, request.state.id)

    if idempotency_key is None:
        answer = await tell()
    else:
        name = (request.state.key.name, idempotency_key)
        answer = await service.answers.once(name, message.model_dump_json().encode(), tell)
    if answer.status < 400:
        return Response(answer.body, answer.status, media_type="application/json")
    content = json.loads(answer.body) | {"request_id": request.state.id}
    return Response(json_bytes(content), answer.status, media_type=MEDIA_TYPE)


async def _told(service: Service, message: Message, request_id: str) -> Answer:
    try:
        receipt = await service.team.send(
            message.message,
            html=message.html,
            wait=message.wait,
            lifetime=message.within,
            silent=message.silent,
            dedupe_key=message.dedupe_key,
            window=message.window,
        )
    except ConfigurationError as error:
        raise Problem(503, "not_configured", f"The notifier is not configured: {error}") from None
    except MessageError as error:
        errors = [{"pointer": "#/message", "detail": str(error)}]
        raise Problem(422, "invalid_request", f"#/message: {error}", errors=errors) from None
    except OutboxError as error:
        # It was also tried without the outbox, in vain: nothing is kept.
        raise no_space() if "disk is full" in str(error) else Problem(503, "outbox", str(error)) from None
    except TokenRefusedError as error:
        # An answer like a delivery's, because the message is in the queue: a repeat must not add another.
        problem = Problem(503, "token_refused", f"{error}; the message stays queued.")
        return Answer(503, body_of(problem, request_id))
    return _answer(receipt, request_id)


def _answer(receipt: Receipt, request_id: str) -> Answer:
    if receipt.fate is Fate.REFUSED:
        problem = Problem(502, "telegram_refused", f"#{receipt.event}: {receipt.reason}")
        return Answer(502, body_of(problem, request_id))
    return Answer(202 if receipt.fate is Fate.QUEUED else 200, json_bytes(receipt.as_dict()))
