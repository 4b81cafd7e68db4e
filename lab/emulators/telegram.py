"""Telegram's Bot API (https://core.telegram.org/bots/api) behind one bot's token.

What a notifier needs of it: getMe, sendMessage, sendPhoto, sendDocument, and every way to say no. Sentences
and numbers are those of tdlib/telegram-bot-api (Client.cpp, Query.cpp, ClientManager.cpp).
"""

from __future__ import annotations

import hmac
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from lab.emulators.fields import WrongTypeError
from lab.emulators.ratelimit import Allowance
from lab.emulators.store import Json
from lab.emulators.telegram_flood import Flood
from lab.emulators.telegram_text import CAPTION_UNITS, TEXT_UNITS, TextError, understood
from lab.emulators.vendor import Call, Context, Operation, Reply, Vendor, VendorError

_SENTENCES = {
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}

_FILES = {"sendphoto": "photo", "senddocument": "document"}

_SIDES = 10_000
_PROPORTION = 20
"""A photo's width and height together, and the larger by the smaller
(core.telegram.org/bots/api#sendphoto)."""


class Telegram(Vendor):
    """Telegram, as one bot sees it.

    The bot is in the team's chat; other chats must be made known: `POST /_lab/chats`. Flood control without a
    cause, as bots meet it, is the settings' `flood_probability`: that share of messages is answered 429 and
    its chat must wait `flood_seconds`. A 429 tells its seconds in the body and in a header; `flood_form` 1,
    2, 3 leaves the body, the header or the description's words alone, and 4 takes turns.
    """

    name = "telegram"
    settings: ClassVar[Mapping[str, float]] = {
        "flood_probability": 0,
        "flood_seconds": 2,
        "flood_form": 0,
        "flood_seed": 0,
    }

    def __init__(self, lab: Context, token: str, team: str) -> None:
        self._flood = Flood()
        super().__init__(lab, self._flood)
        self._token = token
        self._team = team
        self._chats = self.table("chat")
        self._messages = self.table("message")

    def operations(self) -> Sequence[Operation]:
        """See :meth:`Vendor.operations`; every method may be called by GET too."""
        path = "/bot{token}/{method}"
        return Operation("POST", path, self._answer), Operation("GET", path, self._answer)

    def authorise(self, call: Call) -> None:
        """See :meth:`Vendor.authorise`."""
        if not hmac.compare_digest(call.parameters["token"].encode(), self._token.encode()):
            raise VendorError(self.failure(401))

    def failure(self, status: int, retry_after: int = 1) -> Reply:
        """See :meth:`Vendor.failure`."""
        if status == 429:
            return self._too_many(retry_after)
        return _no(status, _SENTENCES.get(status, "Internal Server Error"))

    def wrong_type(self, error: WrongTypeError) -> Reply:
        """See :meth:`Vendor.wrong_type`; Telegram takes numbers and words for each other."""
        return _no(400, f"Bad Request: {error}")

    def bad_json(self) -> Reply:
        """See :meth:`Vendor.bad_json`; Telegram then finds no parameter."""
        return _no(400, "Bad Request: chat_id is empty")

    def limit_headers(self, allowance: Allowance) -> Mapping[str, str]:
        """See :meth:`Vendor.limit_headers`; Telegram has none."""
        del allowance
        return {}

    def control(self) -> Mapping[str, Callable[[Json], Any]]:
        """See :meth:`Vendor.control`.

        `chats` makes chats known: `{"chats": [{"id": -100, "says": "403 Forbidden: ..."}]}`; `says` and
        `migrated_to` are optional. `pace` tells what the limits saw.
        """
        return {"chats": self._know, "pace": self._pace}

    def _know(self, body: Json) -> Json:
        for chat in body["chats"]:
            self._chats.put(int(chat["id"]), chat)
        return {"known": len(body["chats"])}

    def _pace(self, _body: Json) -> Json:
        return self._flood.report()

    def _answer(self, call: Call) -> Reply:
        method = call.parameters["method"].lower()
        if method == "getme":
            return _yes({"id": self._bot(), "is_bot": True, "first_name": "Lab", "username": "lab_bot"})
        if method not in ("sendmessage", *_FILES):
            return _no(404, "Not Found: method not found")
        fields = {**call.query, **call.form, **call.body}
        chat = self._chat(fields)
        message = self._content(method, fields, call)
        wait = self._wait(int(chat["id"]))
        if wait:
            return self._too_many(wait)
        return _yes(self._accept(chat, message))

    def _chat(self, fields: Mapping[str, Any]) -> Json:
        """The chat meant; refusals that Telegram makes before it looks at the text."""
        number = str(fields.get("chat_id", ""))
        if not number:
            raise VendorError(_no(400, "Bad Request: chat_id is empty"))
        chat = self._chats.get(number)
        if chat is None and number == self._team:
            return {"id": int(number)}
        if chat is None:
            raise VendorError(_no(400, "Bad Request: chat not found"))
        if "migrated_to" in chat:
            moved = {"migrate_to_chat_id": chat["migrated_to"]}
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            raise VendorError(_no(400, text, moved))
        if "says" in chat:
            status, _, text = str(chat["says"]).partition(" ")
            raise VendorError(_no(int(status), text))
        return chat

    def _content(self, method: str, fields: Mapping[str, Any], call: Call) -> Json:
        mode = str(fields.get("parse_mode", ""))
        try:
            if method == "sendmessage":
                text = understood(str(fields.get("text", "")), mode, TEXT_UNITS, "message")
                if not text:
                    raise TextError("message text is empty")
                return {"text": text, "parse_mode": mode}
            caption = understood(str(fields.get("caption", "")), mode, CAPTION_UNITS, "message caption")
            file = call.files.get(_FILES[method])
            if file is None or not file.data:
                raise TextError(f"there is no {_FILES[method]} in the request")
            if method == "sendphoto":
                _check_photo(file.data)
        except TextError as error:
            raise VendorError(_no(400, f"Bad Request: {error}")) from None
        kept = {"name": file.name, "bytes": len(file.data)}
        return {"caption": caption, "parse_mode": mode, _FILES[method]: kept}

    def _wait(self, chat: int) -> int:
        now = self.lab.clock.now()
        wait = self._flood.wait(chat, now)
        if wait == 0 and self._drawn():
            wait = self._flood.keep_still(chat, now, int(self.setting("flood_seconds")))
        return wait

    def _drawn(self) -> bool:
        probability = self.setting("flood_probability")
        if probability == 0:
            return False
        draw = f"{self.setting('flood_seed')}:{self.lab.store.number('telegram.flood')}"
        return random.Random(draw).random() < probability  # noqa: S311 -- a test's dice

    def _accept(self, chat: Json, message: Json) -> Json:
        number = self.lab.store.number("telegram.message")
        kind = "private" if int(chat["id"]) > 0 else "supergroup"
        at = self.lab.clock.now()
        self._messages.put(number, {"message_id": number, "chat": chat["id"], "at": at, **message})
        sender = {"id": self._bot(), "is_bot": True, "first_name": "Lab", "username": "lab_bot"}
        where = {"id": chat["id"], "type": kind}
        return {"message_id": number, "from": sender, "chat": where, "date": int(at), **message}

    def _bot(self) -> int:
        return int(self._token.partition(":")[0])

    def _too_many(self, seconds: int) -> Reply:
        form = int(self.setting("flood_form"))
        if form == 4:
            form = self.lab.store.number("telegram.form", 0) % 4
        text = f"Too Many Requests: retry after {seconds}" if form in (0, 3) else "Too Many Requests"
        reply = _no(429, text, {"retry_after": seconds} if form in (0, 1) else None)
        headers = {"retry-after": str(seconds)} if form in (0, 2) else {}
        return Reply(429, reply.body, headers)


def _yes(result: Json) -> Reply:
    return Reply(200, {"ok": True, "result": result})


def _no(status: int, description: str, parameters: Json | None = None) -> Reply:
    body: Json = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return Reply(status, body)


def _check_photo(data: bytes) -> None:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        if data.startswith(b"\xff\xd8"):
            return
        raise TextError("IMAGE_PROCESS_FAILED")
    width, height = struct.unpack(">II", data[16:24].ljust(8, b"\0"))
    if 0 in (width, height):
        raise TextError("IMAGE_PROCESS_FAILED")
    if width + height > _SIDES or max(width, height) > _PROPORTION * min(width, height):
        raise TextError("PHOTO_INVALID_DIMENSIONS")
