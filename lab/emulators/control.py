"""The control endpoint `/_lab` of each emulator: readiness, faults, request log, state, clock, settings.

It is the lab's own, beside the vendor's API: no token, no rate limit, no entry in the request log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from lab.emulators.faults import Fault, Faults
from lab.emulators.recording import RecordingWorld
from lab.emulators.vendor import Vendor
from lab.world import World


def control_app(
    vendor: Vendor, faults: Faults, world: World, reset: Callable[[], Awaitable[None]]
) -> ASGIApp:
    """The control endpoint of one vendor's port; its routes begin with /_lab.

    Args:
        vendor: whose port it is.
        faults: the faults ordered of it.
        world: what its jobs act on.
        reset: makes all vendors forget everything.
    """
    control = _Control(vendor, faults, world, reset)
    routes = [
        Route("/_lab/ready", control.ready, methods=["GET"]),
        Route("/_lab/faults", control.faults, methods=["GET", "POST", "DELETE"]),
        Route("/_lab/requests", control.requests, methods=["GET", "DELETE"]),
        Route("/_lab/state", control.state, methods=["GET"]),
        Route("/_lab/reset", control.reset, methods=["POST"]),
        Route("/_lab/settled", control.settled, methods=["GET"]),
        Route("/_lab/clock", control.clock, methods=["GET", "POST"]),
        Route("/_lab/settings", control.settings, methods=["GET", "POST"]),
        Route("/_lab/limit", control.limit, methods=["GET", "POST"]),
        Route("/_lab/{function}", control.function, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})


class _Control:
    def __init__(
        self, vendor: Vendor, faults: Faults, world: World, reset: Callable[[], Awaitable[None]]
    ) -> None:
        self._vendor = vendor
        self._faults = faults
        self._world = world
        self._reset = reset

    async def ready(self, _request: Request) -> JSONResponse:
        """The vendor's name, once requests are served."""
        return JSONResponse({"ready": self._vendor.name})

    async def faults(self, request: Request) -> JSONResponse:
        """GET lists faults, POST orders one (see :class:`Fault`), DELETE clears all or `?id=`."""
        if request.method == "DELETE":
            key = request.query_params.get("id")
            self._faults.clear(None if key is None else int(key))
        elif request.method == "POST":
            try:
                fault = Fault.model_validate(await request.json())
            except ValidationError as error:
                raise HTTPException(422, str(error)) from None
            return JSONResponse(self._faults.order(fault).model_dump(mode="json"), 201)
        return JSONResponse([fault.model_dump(mode="json") for fault in self._faults.all()])

    async def requests(self, request: Request) -> JSONResponse:
        """The request log: `count`, `by_method`, `requests`; `?method=` and `?path=` (a part) narrow it."""
        store, wanted = self._vendor.lab.store, request.query_params
        if request.method == "DELETE":
            store.forget_log(self._vendor.name)
        found = [
            entry
            for entry in store.logged(self._vendor.name)
            if wanted.get("method", entry["method"]) == entry["method"]
            and wanted.get("path", "") in entry["path"]
        ]
        by_method = Counter(entry["method"] for entry in found)
        return JSONResponse({"count": len(found), "by_method": by_method, "requests": found})

    async def state(self, _request: Request) -> JSONResponse:
        """Every object the vendor holds, by kind, and `world` if it only records. Secrets are left out."""
        state: dict[str, Any] = dict(self._vendor.lab.store.dump(self._vendor.name))
        for secret in ("token", "secret"):
            state.pop(secret, None)
        if isinstance(self._world, RecordingWorld):
            state["world"] = self._world.snapshot()
        return JSONResponse(state)

    async def reset(self, _request: Request) -> JSONResponse:
        """All vendors forget everything, as if just started; refused where the world has real hosts."""
        if not isinstance(self._world, RecordingWorld):
            raise HTTPException(409, "the lab's hosts would be forgotten, not destroyed")
        await self._reset()
        return JSONResponse({"reset": True})

    async def settled(self, _request: Request) -> JSONResponse:
        """Answers once the world has done everything asked so far, also what no answer waited for."""
        await self._vendor.lab.jobs.settle()
        return JSONResponse({"settled": True})

    async def clock(self, request: Request) -> JSONResponse:
        """GET tells the time of all emulators, POST `{"advance": seconds}` moves it forward."""
        clock, store = self._vendor.lab.clock, self._vendor.lab.store
        if request.method == "POST":
            clock.advance(float((await request.json())["advance"]))
            store.set("clock.offset", clock.offset)
        return JSONResponse({"now": clock.now(), "offset": clock.offset})

    async def settings(self, request: Request) -> JSONResponse:
        """The vendor's numbers (delays in seconds, quotas); POST changes those it names."""
        known = self._vendor.settings
        if request.method == "POST":
            wanted = await request.json()
            if unknown := set(wanted) - set(known):
                raise HTTPException(
                    422, f"no setting {', '.join(sorted(unknown))}; there are {', '.join(known)}"
                )
            for name, value in wanted.items():
                self._vendor.lab.store.set(f"{self._vendor.name}.{name}", float(value))
        return JSONResponse({name: self._vendor.setting(name) for name in known})

    async def limit(self, request: Request) -> JSONResponse:
        """The rate limit; POST `{"limit": requests, "seconds": window}` begins another one."""
        limit = self._vendor.limit
        if request.method == "POST":
            wanted = await request.json()
            limit.configure(int(wanted["limit"]), float(wanted["seconds"]))
        return JSONResponse({"limit": limit.limit, "seconds": limit.seconds})

    async def function(self, request: Request) -> JSONResponse:
        """A function of this vendor alone, such as `/_lab/zones` of Cloudflare."""
        function = self._vendor.control().get(request.path_params["function"])
        if function is None:
            raise HTTPException(404, f"no /_lab/{request.path_params['function']}")
        body = await request.json()
        with self._vendor.lab.jobs.request():
            answer = function(body)
        return JSONResponse(answer)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for it alone
    return JSONResponse({"error": error.detail}, error.status_code)
