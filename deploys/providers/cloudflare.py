"""Cloudflare through its own SDK: zones and their records, changed in batches.

Every record of ours carries a comment that says so. A batch is one transaction, so that a zone is never left
half changed; the vendor runs it as deletes, patches, posts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import cloudflare
import httpx
from cloudflare.types.dns import RecordResponse
from cloudflare.types.zones import Zone

from deploys.dns.difference import object_name
from deploys.dns.records import reported_domain
from deploys.ownership import Identity
from deploys.plan import Action, Change, Kind
from deploys.providers import ProviderError, understood
from deploys.providers.cloudflare_wire import from_wire, to_wire
from deploys.providers.pace import Pacer
from deploys.providers.retry import DELAYS, persist
from deploys.world import Held, Hosted, Record

ENDPOINT = "https://api.cloudflare.com/client/v4"
BATCH = 200
"""Operations in one batch on the free plan (developers.cloudflare.com/dns, batch record changes)."""
ZONES_PAGE = 50
RECORDS_PAGE = 5000
READERS = 8
RESERVE = 20
"""Requests of the vendor's limit that are left to others who use the token."""
SERVER_ERROR = 500
ZONE_EXISTS = 1061
THROTTLED_TRIES = 5

T = TypeVar("T")


class Cloudflare:
    """The zones of one account.

    Args:
        token: allowed to edit zones and DNS.
        account: the account's id.
        identity: the fleet's names and marks.
        endpoint: base URL of the API, with its version.
    """

    name = "cloudflare"

    def __init__(self, token: str, account: str, identity: Identity, endpoint: str = ENDPOINT) -> None:
        self._account = account
        self._identity = identity
        # 1,200 in five minutes for all of the token's users (developers.cloudflare.com/fundamentals/api).
        self._pacer = Pacer(1150, 300)
        hooks: Mapping[str, list[Callable[..., Any]]] = {
            "request": [lambda _request: self._pacer.wait()],
            "response": [self._learn],
        }
        self._client = cloudflare.Cloudflare(
            api_token=token,
            base_url=endpoint,
            max_retries=0,  # the SDK would repeat a batch that was carried out already
            http_client=cloudflare.DefaultHttpxClient(event_hooks=hooks),
        )
        self._zone_ids: dict[str, str] = {}
        self._record_ids: dict[str, str] = {}

    def read(self, wanted: Sequence[str]) -> Hosted:
        """The wanted zones' records, and those of zones that were of the fleet before.

        Args:
            wanted: zone names, the one with the fleet's marks first.

        Raises:
            ProviderError: they cannot be read.
        """
        with understood(self.name, "zones"):
            zones = self._zones()
            ours = {zone.name: zone for zone in zones if zone.account.id == self._account}
            self._zone_ids = {name: zone.id for name, zone in ours.items()}
            elsewhere = {
                zone.name: str(zone.account.id)
                for zone in zones
                if zone.name in wanted and zone.name not in ours
            }
            found = {zone: self._records(zone) for zone in wanted[:1] if zone in ours}
            marked = [
                domain
                for held in found.get(wanted[0], ())
                if held.owned and (domain := reported_domain(held.value))
            ]
            rest = [zone for zone in dict.fromkeys([*wanted[1:], *marked]) if zone in ours]
            with ThreadPoolExecutor(READERS) as pool:
                found |= zip(rest, pool.map(self._records, rest), strict=True)
        undelegated = {
            zone: tuple(ours[zone].name_servers or ())
            for zone in wanted
            if zone in ours and _pending(ours[zone])
        }
        return Hosted(found, elsewhere, undelegated)

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Carry out one zone's changes, without holes: the zone itself first, then its records in batches.

        Raises:
            ProviderError: they were not, or not certainly, carried out.
        """
        with understood(self.name, zone):
            if any(change.kind is Kind.ZONE for change in changes):
                persist(lambda: self._ensure_zone(zone))
            left = [change for change in changes if change.kind is Kind.RECORD]
            for delay in DELAYS:
                try:
                    self._batches(zone, left)
                except ProviderError as error:
                    if not error.ambiguous:
                        raise
                    time.sleep(delay)
                    left = self._undone(zone, left)
                else:
                    return
            self._batches(zone, left)

    def _zones(self) -> list[Zone]:
        def page(number: int) -> list[Zone]:
            return list(self._client.zones.list(page=number, per_page=ZONES_PAGE).result or [])

        return self._pages("zones", page, ZONES_PAGE)

    def _records(self, zone: str) -> tuple[Held[Record], ...]:
        key = self._zone_ids[zone]

        def page(number: int) -> list[RecordResponse]:
            records = self._client.dns.records.list(zone_id=key, page=number, per_page=RECORDS_PAGE)
            return list(records.result or [])

        held = tuple(self._held(zone, record) for record in self._pages(zone, page, RECORDS_PAGE))
        for item in held:
            self._record_ids[object_name(item.value)] = item.id
        return held

    def _pages(self, what: str, page: Callable[[int], list[T]], size: int) -> list[T]:
        """All pages. The SDK's own way would ask for one more than there are, of every zone."""
        found: list[T] = []
        while True:
            number = len(found) // size + 1
            items = persist(lambda number=number: self._call(what, lambda: page(number)))  # type: ignore[misc]
            found += items
            if len(items) < size:
                return found

    def _held(self, zone: str, record: RecordResponse) -> Held[Record]:
        marks = (record.comment or "").split()
        return Held(
            from_wire(zone, record), record.id, owned=set(self._identity.comment.split()) <= set(marks)
        )

    def _ensure_zone(self, zone: str) -> None:
        there = self._call(zone, lambda: self._client.zones.list(name=zone).result or [])
        found = next((one for one in there if one.name == zone), None)
        if found is None:
            account: Any = {"id": self._account}
            try:
                found = self._call(
                    zone, lambda: self._client.zones.create(account=account, name=zone, type="full")
                )
            except ProviderError as error:
                if f"({ZONE_EXISTS})" in str(error):
                    cause = "the zone is in an account that this token cannot see: remove it there first"
                    raise ProviderError(self.name, zone, cause) from error
                raise
        if found is None or found.account.id != self._account:
            raise ProviderError(self.name, zone, "the zone belongs to another account")
        self._zone_ids[zone] = found.id

    def _batches(self, zone: str, changes: Sequence[Change]) -> None:
        """Send the changes in the vendor's order, so that cutting them into batches does not change it."""
        order = {Action.DELETE: 0, Action.UPDATE: 1, Action.CREATE: 2}
        ordered = sorted(changes, key=lambda change: order[change.action])
        for start in range(0, len(ordered), BATCH):
            part = ordered[start : start + BATCH]
            body: dict[str, Any] = {
                "deletes": [self._name(change) for change in part if change.action is Action.DELETE],
                "patches": [
                    {**self._name(change), **to_wire(change.after or {}, self._identity.comment)}
                    for change in part
                    if change.action is Action.UPDATE
                ],
                "posts": [
                    to_wire(change.after or {}, self._identity.comment)
                    for change in part
                    if change.action is Action.CREATE
                ],
            }
            filled = {step: operations for step, operations in body.items() if operations}
            self._call(zone, lambda: self._client.dns.records.batch(zone_id=self._zone_ids[zone], **filled))  # noqa: B023 - called at once

    def _undone(self, zone: str, changes: Sequence[Change]) -> list[Change]:
        """Those of the changes that a look at the zone does not show."""
        held = self._records(zone)
        there = {object_name(item.value) for item in held if item.owned}
        fields = [
            (item.value.name, item.value.type, item.value.value, item.value.ttl)
            for item in held
            if item.owned
        ]
        return [
            change
            for change in changes
            if (
                change.object in there if change.after is None else tuple(change.after.values()) not in fields
            )
        ]

    def _name(self, change: Change) -> dict[str, str]:
        if change.object not in self._record_ids:
            raise ProviderError(self.name, change.object, "the record is gone; run apply again")
        return {"id": self._record_ids[change.object]}

    def _call(self, what: str, call: Callable[[], T]) -> T:
        """Call the SDK; a request refused for the pace was not carried out, so it is sent again."""
        for _ in range(THROTTLED_TRIES):
            try:
                with _errors(what):
                    return call()
            except cloudflare.RateLimitError as error:
                self._pacer.pause(_seconds(error.response.headers.get("retry-after")))
        raise ProviderError(self.name, what, "still refused for too many requests; wait, then run it again")

    def _learn(self, response: httpx.Response) -> None:
        """Read what is left of the limit: `"default";r=50;t=30`, r requests for the next t seconds."""
        left = re.search(r"\br=(\d+)(?:;t=(\d+))?", response.headers.get("Ratelimit", ""))
        if left and int(left[1]) < RESERVE:
            self._pacer.pause(float(left[2] or 0) + 1)  # t is cut to whole seconds


def _pending(zone: Zone) -> bool:
    return zone.status in ("pending", "initializing")


def _seconds(header: str | None) -> float:
    try:
        return max(1.0, float(header or 1))
    except ValueError:
        return 1.0


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Turn whatever the SDK raises into one :class:`ProviderError`, but for a refused pace."""
    try:
        yield
    except cloudflare.RateLimitError:
        raise
    except (cloudflare.AuthenticationError, cloudflare.PermissionDeniedError) as error:
        cause = f"the token in CLOUDFLARE_API_TOKEN is refused: {_said(error)}"
        raise ProviderError(Cloudflare.name, what, cause) from error
    except cloudflare.APIStatusError as error:
        unsure = error.status_code >= SERVER_ERROR
        raise ProviderError(Cloudflare.name, what, _said(error), ambiguous=unsure) from error
    except cloudflare.APITimeoutError as error:
        raise ProviderError(Cloudflare.name, what, "no answer in time", ambiguous=True) from error
    except cloudflare.APIConnectionError as error:
        cause = f"the connection failed: {error.__cause__ or error}"
        raise ProviderError(Cloudflare.name, what, cause, ambiguous=True) from error
    except (cloudflare.APIError, httpx.HTTPError) as error:
        raise ProviderError(Cloudflare.name, what, str(error), ambiguous=True) from error
    except ValueError as error:
        raise ProviderError(Cloudflare.name, what, "the answer is not JSON", ambiguous=True) from error


def _said(error: cloudflare.APIStatusError) -> str:
    """What the vendor said, with the causes it names."""
    body = error.body if isinstance(error.body, dict) else {}
    said = []
    for problem in body.get("errors") or ():
        chain = [str(cause.get("message")) for cause in problem.get("error_chain") or ()]
        said.append(f"{': '.join([str(problem.get('message')), *chain])} ({problem.get('code')})")
    return "; ".join(said) or f"status {error.status_code}"
