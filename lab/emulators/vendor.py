"""What every emulated vendor is made of: plain functions over one request, and its own way to say no."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from starlette.datastructures import Headers, QueryParams

from lab.emulators.clock import Clock, timestamp
from lab.emulators.fields import WrongTypeError
from lab.emulators.jobs import Jobs
from lab.emulators.ratelimit import Allowance, RateLimit
from lab.emulators.store import Json, Store, Table

T = TypeVar("T")


@dataclass(frozen=True)
class Upload:
    """A file in a multipart body."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Call:
    """One request, read whole.

    Args:
        url: the request's URL without the query, for links.
        parameters: what the route's braces matched.
        query: the query's parameters, each possibly several times.
        headers: the headers.
        body: the JSON object of the body, {} without a body.
        form: the fields of a form-encoded or multipart body.
        files: the files of a multipart body.
    """

    method: str
    url: str
    parameters: Mapping[str, str]
    query: QueryParams
    headers: Headers
    body: Json = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)

    def integer(self, name: str, default: int) -> int:
        """A whole number of the query; the default if it is missing or none."""
        try:
            return int(float(self.query.get(name, default)))
        except (ValueError, OverflowError):
            return default


@dataclass(frozen=True)
class Reply:
    """An answer; it leaves once `jobs` are done."""

    status: int
    body: object | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    jobs: Sequence[int] = ()


class VendorError(Exception):
    """A request the vendor refuses: its writes are undone, and `reply` is sent."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.body}")
        self.reply = reply


@dataclass(frozen=True)
class Operation:
    """One method of one path; `public` ones need no token."""

    method: str
    path: str
    function: Callable[[Call], Reply]
    public: bool = False


@dataclass(frozen=True)
class Context:
    """What the vendors share."""

    store: Store
    jobs: Jobs
    clock: Clock

    def now(self) -> str:
        """The time as the vendors write it."""
        return timestamp(self.clock.now())


class Vendor(ABC):
    """One emulated vendor."""

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, float]] = {}
    """Numbers that `/_lab/settings` may change, with their defaults."""

    def __init__(self, lab: Context, limit: RateLimit) -> None:
        self.lab = lab
        self.limit = limit

    @abstractmethod
    def operations(self) -> Sequence[Operation]:
        """Everything the vendor answers; any other path is its 404, any other method its 405."""

    @abstractmethod
    def authorise(self, call: Call) -> None:
        """Let the request through.

        Raises:
            VendorError: the token is missing, unknown or expired.
        """

    @abstractmethod
    def failure(self, status: int, retry_after: int = 1) -> Reply:
        """How the vendor says 401 (an expired token), 404, 405, 429 or a 5xx."""

    @abstractmethod
    def limit_headers(self, allowance: Allowance) -> Mapping[str, str]:
        """The headers that carry the state of the rate limit."""

    @abstractmethod
    def wrong_type(self, error: WrongTypeError) -> Reply:
        """How the vendor says that a field of a body is of the wrong type."""

    def bad_json(self) -> Reply:
        """How the vendor says that the body is no JSON object."""
        return self.failure(400)

    def control(self) -> Mapping[str, Callable[[Json], Any]]:
        """Further POST functions of the control endpoint, by name."""
        return {}

    def table(self, kind: str) -> Table:
        """The vendor's objects of one kind."""
        return self.lab.store.table(self.name, kind)

    def setting(self, name: str) -> float:
        """A number that a test may have changed."""
        return self.lab.store.setting(f"{self.name}.{name}", self.settings[name])


def page(items: Sequence[T], number: int, size: int) -> Sequence[T]:
    """The items of one page, counted from 1; past the end there are none."""
    return items[(number - 1) * size : number * size]
