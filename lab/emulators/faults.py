"""Faults a test orders: which requests they hit, and what these requests suffer."""

from __future__ import annotations

import random
import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lab.emulators.store import Store


class Kind(StrEnum):
    """What happens to a request."""

    ERROR = "error"
    """The vendor's 5xx body with `status`."""
    HANG = "hang"
    """No answer until the client gives up, or `seconds` have passed (then the connection is reset)."""
    RESET = "reset"
    """The connection is reset (RST)."""
    RATE_LIMIT = "rate_limit"
    """429 in the vendor's form, with `retry_after` where the vendor sends one; always before the work."""
    MALFORMED = "malformed"
    """Half of the right answer, cut inside the JSON; always after the work."""
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 -- the name of a fault
    """The vendor's answer to an expired token; always before the work."""
    JOB_FAILURE = "job_failure"
    """The request succeeds, but the slow work it starts (a boot, a PTR) fails later."""


class When(StrEnum):
    """On which side of the work the fault strikes."""

    BEFORE = "before"
    AFTER = "after"


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]


class Fault(BaseModel):
    """One ordered fault. It strikes requests whose method and path match, `count` times or until removed."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    method: Pattern = Field(default="", description="Regular expression searched in the method")
    path: Pattern = Field(
        default="", description="Regular expression searched in the path, without the query"
    )
    when: When = When.BEFORE
    count: int | None = Field(default=1, ge=0, description="Strikes left; null is without end")
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    status: int = Field(default=503, ge=500, le=599)
    retry_after: int = Field(default=1, ge=0, description="Seconds")
    seconds: float = Field(default=300, gt=0, description="How long a hang lasts at most")
    id: int = 0
    draws: int = Field(default=0, description="Requests that matched so far; the state of the random choice")

    def matches(self, method: str, path: str) -> bool:
        """Whether the fault is about this request and not used up."""
        return (
            self.count != 0
            and re.search(self.method, method) is not None
            and re.search(self.path, path) is not None
        )

    def draw(self) -> bool:
        """Choose, reproducibly also over a restart, whether it strikes this time."""
        self.draws += 1
        chosen = random.Random(f"{self.seed}:{self.draws}").random() < self.probability  # noqa: S311 -- a test's dice
        if chosen and self.count is not None:
            self.count -= 1
        return chosen


class Faults:
    """The faults ordered of one vendor, kept over restarts."""

    def __init__(self, store: Store, vendor: str) -> None:
        self._store = store
        self._table = store.table("lab", f"fault:{vendor}")

    def order(self, fault: Fault) -> Fault:
        """Keep a fault; later orders are asked later."""
        fault.id = self._store.number("fault")
        self._keep(fault)
        return fault

    def all(self) -> list[Fault]:
        """Every fault that can still strike."""
        return [Fault.model_validate(row) for row in self._table.rows()]

    def clear(self, key: int | None = None) -> None:
        """Remove one fault, or all."""
        for fault in self.all():
            if key in (None, fault.id):
                self._table.delete(fault.id)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        for fault in self.all():
            if fault.matches(method, path):
                chosen = fault.draw()
                self._keep(fault)
                if chosen:
                    return fault
        return None

    def _keep(self, fault: Fault) -> None:
        if fault.count == 0:
            self._table.delete(fault.id)
        else:
            self._table.put(fault.id, fault.model_dump(mode="json"))
