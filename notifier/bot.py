"""The Bot API over HTTP: one request, one outcome, and never a token in what is said about it."""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from notifier.attempt import Claim
from notifier.clock import Clock
from notifier.messages import Method
from notifier.reply import Outcome, Retry, classify

log = logging.getLogger(__name__)

API = "https://api.telegram.org"

_CONNECT_SECONDS = 5.0
_UPLOAD_FACTOR = 4
"""How much longer an answer to an upload may take."""

_ANSWER_BYTES = 1 << 20
"""More than any answer to a message has."""

_FIELDS = {Method.PHOTO: "photo", Method.DOCUMENT: "document"}


class ConfigurationError(ValueError):
    """A setting that cannot be right; one line that says which."""


class Token:
    """A bot's token, which shows itself only where it is asked to."""

    def __init__(self, text: str) -> None:
        if not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", text):
            raise ConfigurationError("the bot token has not the form 123456789:letters-and-digits")
        self._text = text

    def reveal(self) -> str:
        """The token itself."""
        return self._text

    def hide(self, text: str) -> str:
        """The text without the token, as it stands or with its colon escaped."""
        for form in (self._text, self._text.replace(":", "%3A"), self._text.replace(":", "%3a")):
            text = text.replace(form, "<token>")
        return text

    def __repr__(self) -> str:
        return "Token(<hidden>)"


class _HideToken(logging.Filter):
    """urllib3 logs the path of each request at level DEBUG, and the path holds the token."""

    def __init__(self, token: Token) -> None:
        super().__init__()
        self._token = token

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._token.hide(record.getMessage()), None
        return True


@dataclass(frozen=True)
class Server:
    """Where the Bot API is, and how long to wait for its answers.

    Args:
        url: up to `/bot`; Telegram's own, or a local Bot API server's.
        seconds: until an answer. Telegram holds an answer back for 3 seconds when it limits a chat, so less
            than 10 mistakes its answers for silence.
    """

    url: str = API
    seconds: float = 15.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"the base URL {self.url!r} is not http(s)://HOST")

    @property
    def host(self) -> str:
        """For messages to people."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


class Bot:
    """Sends as one bot; may be used by several threads."""

    def __init__(self, token: Token, server: Server, clock: Clock) -> None:
        self._token = token
        self._server = server
        self._clock = clock
        self._threads = threading.local()
        logging.getLogger("urllib3.connectionpool").addFilter(_HideToken(token))

    def send(self, claim: Claim) -> Outcome:
        """Make one request; whatever happens to it is an outcome, not an exception."""
        url = f"{self._server.url.rstrip('/')}/bot{self._token.reveal()}/{claim.method}"
        seconds = self._server.seconds * (1 if claim.data is None else _UPLOAD_FACTOR)
        timeout = (self._clock.real(_CONNECT_SECONDS), self._clock.real(seconds))
        try:
            with self._session().post(
                url, **_body(claim), timeout=timeout, allow_redirects=False, stream=True
            ) as response:
                body = _read(response, time.monotonic() + timeout[1])
                # What answers need not be Telegram, and may repeat the URL.
                body = self._token.hide(body.decode(errors="replace")).encode()
                return classify(response.status_code, response.headers, body, self._clock.now())
        except requests.RequestException as error:
            return self._no_answer(error, seconds)
        except Exception as error:
            # A fault of ours in one message must not stop the others; what it says may hold the URL.
            log.error("%s", self._token.hide(traceback.format_exc()))  # noqa: TRY400 - the traceback is in it
            return Retry(f"a fault in the notifier: {type(error).__name__}", unknown=True)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
        return session

    def _no_answer(self, error: requests.RequestException, seconds: float) -> Retry:
        """In our own words: those of requests hold the URL."""
        host, unknown = self._server.host, False
        match error, _root(error):
            case requests.ConnectTimeout(), _:
                reason = f"no connection to {host} within {_CONNECT_SECONDS:.0f} s"
            case requests.Timeout(), _:
                reason, unknown = f"no answer from {host} within {seconds:.0f} s", True
            case requests.exceptions.ProxyError(), _:
                reason = f"the proxy does not lead to {host}"
            case requests.exceptions.SSLError(), root:
                reason = f"TLS with {host} fails: {root}"
            case ValueError(), _:
                reason = f"no request to {host} can be made: {error}"
            case _, NameResolutionError():
                reason = f"{host} does not resolve"
            case _, NewConnectionError():
                reason = f"no connection to {host}"
            case _:
                reason, unknown = f"the connection to {host} broke", True
        return Retry(self._token.hide(reason), unknown)


def _body(claim: Claim) -> dict[str, Any]:
    fields: dict[str, Any] = {"chat_id": claim.chat}
    if claim.silent:
        fields["disable_notification"] = True
    if claim.html and claim.text:
        fields["parse_mode"] = "HTML"
    if claim.data is None:
        # A preview would make Telegram fetch the address, be it one that confirms or unsubscribes.
        return {"json": {**fields, "text": claim.text, "link_preview_options": {"is_disabled": True}}}
    if claim.text:
        fields["caption"] = claim.text
    return {"data": fields, "files": {_FIELDS[claim.method]: (claim.file_name, claim.data)}}


def _read(response: requests.Response, until: float) -> bytes:
    """The answer's body as far as it comes: what came before it broke may already hold the verdict."""
    body = bytearray()
    try:
        for chunk in response.iter_content(1 << 16):
            body += chunk
            if len(body) > _ANSWER_BYTES or time.monotonic() > until:
                break
    except requests.RequestException:
        if not body:
            raise
    return bytes(body)


def _root(error: requests.RequestException) -> object:
    """What urllib3 said, inside what requests made of it."""
    cause: object = error.args[0] if error.args else error
    if isinstance(cause, HTTPError):
        return getattr(cause, "reason", None) or cause
    return cause
