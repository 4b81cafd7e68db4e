"""The application: routes over one validator, one notifier and one job store, for the life of the process."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.answers import Answers
from api.checking import Checker
from api.config import Config, ConfigurationError
from api.front import Front
from api.jobs import JobError, Jobs
from api.jobs.local import LocalJobs
from api.keys import Keyring, load_keys
from api.metrics import Metrics
from api.pace import Pace
from api.problems import Problem, ProblemBody, on_http_exception, on_invalid, on_problem
from api.routes import explain, health, jobs, metrics, reports, telegram, validate
from api.service import Service
from api.team import find_team
from validator import ConfigError, Settings, Validator, load_config
from validator.settings import as_allowed

OpenJobs = Callable[[Config, Validator], AbstractAsyncContextManager[Jobs]]


def local_jobs(config: Config, validator: Validator) -> AbstractAsyncContextManager[Jobs]:
    """Jobs of this machine."""
    most = config.limits.job_addresses
    return LocalJobs(config.state / "jobs.sqlite3", validator, most_addresses=most)


_ABOUT = """Checks e-mail addresses and tells the team on Telegram.

Every call but `/health` wants a key in `X-API-Key` (or `Authorization: Bearer`). Errors are RFC 9457
problems.
"""


def create_app(
    config: Config,
    open_jobs: OpenJobs = local_jobs,
    *,
    keyring: Keyring | None = None,
    environ: Mapping[str, str] = os.environ,
) -> FastAPI:
    """Build the application; nothing is opened before it is started.

    Args:
        config: Where it listens and what it uses.
        open_jobs: Opens the job store; this machine's own if nothing else is said.
        keyring: Instead of the keys file of the configuration.
        environ: See `validator.settings.ALLOW_PRIVATE` and `notifier.credentials`.

    Raises:
        ConfigurationError: the keys or the validator's settings cannot be used.
    """
    keys = keyring or load_keys(config.keys)
    settings = validator_settings(config, environ)
    config.need_worker_files()
    counted = Metrics()
    limits = config.limits

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        team = find_team(config.state, environ)
        answers = Answers(config.state / "answers.sqlite3", time.time)
        pace = Pace(limits.requests_per_second, limits.burst, time.monotonic)
        try:
            async with _work(config, settings, open_jobs) as (checker, store):
                app.state.service = Service(
                    config, keys, pace, counted, checker, store, team, answers, release()
                )
                yield
        finally:
            team.close()
            answers.close()

    app = FastAPI(
        title="Outreach Engine",
        description=_ABOUT,
        version=release(),
        lifespan=lifespan,
        docs_url=None,  # they load scripts of strangers
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.routes = []
    for module in (health, validate, explain, telegram, jobs, metrics, reports):
        app.include_router(module.router)
        app.state.routes += module.router.routes
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(JobError, jobs.on_job_error)
    app.add_middleware(Front, metrics=counted, largest=_largest(config))
    app.openapi = lambda: _openapi(app, config)  # type: ignore[method-assign]  # FastAPI's way to extend it
    return app


@asynccontextmanager
async def _work(
    config: Config, settings: Settings, open_jobs: OpenJobs
) -> AsyncIterator[tuple[Checker, Jobs]]:
    """What does the asking, and the jobs: this process, or the fleet.

    The engine's packages are loaded only where they are used: a laptop's service has none.
    """
    async with AsyncExitStack() as stack:
        if config.fleet is not None:
            from api.fleet import fleet_jobs  # noqa: PLC0415

            yield await stack.enter_async_context(fleet_jobs(config.fleet, config.limits.job_addresses))
            return
        validator = await stack.enter_async_context(Validator(settings))
        store = await stack.enter_async_context(open_jobs(config, validator))
        if config.worker is not None:
            from api.carrier import at_work  # noqa: PLC0415

            await stack.enter_async_context(at_work(config.worker, settings, validator))
        yield validator, store


def validator_settings(config: Config, environ: Mapping[str, str]) -> Settings:
    """The validator's settings.

    Raises:
        ConfigurationError: its file cannot be used.
    """
    try:
        settings = load_config(config.validator) if config.validator else Settings()
    except ConfigError as error:
        raise ConfigurationError(str(error)) from None
    return as_allowed(settings, environ)


def release() -> str:
    """The version that runs."""
    try:
        return version("outreach-engine")
    except PackageNotFoundError:  # pragma: no cover - a checkout that was never installed
        return "unknown"


def _largest(config: Config) -> Callable[[str], int]:
    limits = config.limits
    uploads = max(limits.upload_bytes, limits.job_json_bytes)
    return lambda path: uploads if path == "/jobs" else limits.json_bytes


def _openapi(app: FastAPI, config: Config) -> dict[str, Any]:
    if app.openapi_schema is None:
        found = FastAPI.openapi(app)
        schemas = found["components"]["schemas"]
        for model in (ProblemBody, jobs.NewJob):
            definition = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= definition.pop("$defs", {})
            schemas[model.__name__] = definition
        schemas["Asked"]["properties"]["emails"]["maxItems"] = config.limits.addresses
        schemas["NewJob"]["properties"]["emails"]["maxItems"] = config.limits.job_list
        # One of the two is enough.
        for path in found["paths"].values():
            for operation in path.values():
                if "security" in operation:
                    operation["security"] = [{"key": []}, {"bearer": []}]
    return app.openapi_schema or {}
