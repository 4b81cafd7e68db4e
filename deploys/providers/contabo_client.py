"""A thin client of Contabo's API: tokens, request ids, pages, errors that say whether a repeat is safe."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from deploys.providers import ProviderError
from deploys.providers.pace import PacedAdapter, Pacer, connection_cause
from deploys.providers.retry import persist

API = "https://api.contabo.com"
TOKEN_URL = "https://auth.contabo.com/auth/realms/contabo/protocol/openid-connect/token"  # noqa: S105 - no secret
TIMEOUT = (10, 60)
"""Seconds to connect, and to wait for an answer."""
PAGE = 100
THROTTLED_TRIES = 5


@dataclass(frozen=True)
class Credentials:
    """What Contabo's customer panel shows under API details."""

    client_id: str
    client_secret: str
    user: str
    password: str


class ContaboClient:
    """Requests to one customer's account. May be used from several threads.

    Args:
        credentials: from the customer panel.
        api: base URL without a version.
        token_url: full URL of the token endpoint.
    """

    vendor = "contabo"

    def __init__(self, credentials: Credentials, api: str = API, token_url: str = TOKEN_URL) -> None:
        self._credentials = credentials
        self._api = api.rstrip("/")
        self._token_url = token_url
        self._token = ""
        self._lock = threading.Lock()
        self._session = requests.Session()
        # Contabo documents a 429 but no figures: five a second have not met it.
        self._pacer = Pacer(280, 60)
        adapter = PacedAdapter(self._pacer, _learn)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def list(self, path: str, what: str, **query: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        while True:
            page = len(found) // PAGE + 1
            answer = self.get(path, what, **query, page=str(page), size=str(PAGE))
            found += answer["data"]
            if len(answer["data"]) < PAGE:
                return found

    def get(self, path: str, what: str, **query: str) -> dict[str, Any]:
        """One answer; failures that pass are tried again."""
        return persist(lambda: self.send("GET", path, what, query=query))

    def send(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> dict[str, Any]:
        """Send one request, once, unless it was certainly not carried out.

        Args:
            method: the HTTP method.
            path: from `/v1` on.
            what: the object, for errors.
            query: parameters of the URL.
            body: JSON.

        Raises:
            ProviderError: with `ambiguous` where the request may have been carried out all the same.
        """
        request = {"method": method, "url": self._api + path, "params": query, "json": body}
        token = self._granted("")
        for _ in range(THROTTLED_TRIES):
            response = self._request(request, what, token)
            if response.status_code == requests.codes.unauthorized:
                # The token ran out; a fresh one that is refused too is an answer.
                token = self._granted(token)
                response = self._request(request, what, token)
            if response.status_code != requests.codes.too_many_requests:
                return _read(response, what)
        raise ProviderError(self.vendor, what, "still refused for too many requests; wait, then run it again")

    def _request(self, request: Mapping[str, Any], what: str, token: str) -> requests.Response:
        # The id is for tracing alone: Contabo takes a repeated order for an order, whatever its id.
        headers = {"Authorization": f"Bearer {token}", "x-request-id": str(uuid.uuid4())}
        try:
            return self._session.request(**request, headers=headers, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise ProviderError(self.vendor, what, connection_cause(error), ambiguous=True) from error

    def _granted(self, refused: str) -> str:
        """A token other than `refused`: the one we have, or a new one."""
        with self._lock:
            if not self._token or self._token == refused:
                self._token = persist(self._grant)
            return self._token

    def _grant(self) -> str:
        """The resource owner password grant (RFC 6749 section 4.3)."""
        known = self._credentials
        form = {
            "grant_type": "password",
            "client_id": known.client_id,
            "client_secret": known.client_secret,
            "username": known.user,
            "password": known.password,
        }
        try:
            response = self._session.post(self._token_url, data=form, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise ProviderError(self.vendor, "token", connection_cause(error), ambiguous=True) from error
        if response.status_code in (requests.codes.bad_request, requests.codes.unauthorized):
            cause = f"the credentials in CONTABO_* are refused: {_message(response)}"
            raise ProviderError(self.vendor, "token", cause)
        return str(_read(response, "token").get("access_token", ""))


def _read(response: requests.Response, what: str) -> dict[str, Any]:
    """The body of a success.

    Raises:
        ProviderError: for a failure, or a body that is not what the API sends.
    """
    if response.status_code == requests.codes.unauthorized:
        cause = f"the credentials in CONTABO_* are refused: {_message(response)}"
        raise ProviderError(ContaboClient.vendor, what, cause)
    if not response.ok:
        unsure = response.status_code >= requests.codes.server_error
        cause = f"{_message(response)} ({response.status_code})"
        raise ProviderError(ContaboClient.vendor, what, cause, ambiguous=unsure)
    if not response.content:
        return {}
    try:
        body = response.json()
    except ValueError as error:
        raise ProviderError(ContaboClient.vendor, what, "the answer is not JSON", ambiguous=True) from error
    return body if isinstance(body, dict) else {}


def _message(response: requests.Response) -> str:
    try:
        body = response.json()
        message = body.get("message") or body.get("error_description")
    except (ValueError, AttributeError):
        message = None
    if isinstance(message, list):
        message = "; ".join(map(str, message))
    return str(message or response.reason)


def _learn(pacer: Pacer, status: int, headers: Mapping[str, str]) -> None:
    if status == requests.codes.too_many_requests:
        try:
            pacer.pause(float(headers.get("Retry-After", "1")))
        except ValueError:
            pacer.pause(1)
