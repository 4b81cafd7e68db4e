"""The service's settings: one TOML file, refused in one line if it cannot work."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEFAULT_FILE = Path("/etc/outreach/api.toml")
MIB = 1 << 20

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class ConfigurationError(ValueError):
    """A setting that cannot be used; one line that says which and why."""


class Limits(BaseModel):
    """What one caller, or all of them, may ask of this machine.

    Attributes:
        addresses: In one `POST /validate`.
        job_addresses: In one job, if the list is uploaded as a file.
        job_list: In one job, if the list is JSON, which has to be held in memory.
        json_bytes: Body of a request with JSON.
        job_json_bytes: The same for `POST /jobs`.
        upload_bytes: A list uploaded to `POST /jobs`.
        requests_per_second: Of one key, in the long run.
        burst: Of one key, at once.
        validate_seconds: Longest time for one `POST /validate`; what is not known by then is said to be so.
        validations: Calls of `/validate` at once, of all keys together; one more is answered 503.
        in_hand: Addresses of one `/validate` that the validator has at once.
        header_seconds: From the connection, or the request's first byte, to the end of its headers.
        body_seconds: For a body, besides one second for each `body_rate` bytes of it.
        body_rate: Bytes a second that a body must bring in the long run.
        answer_seconds: Without progress, while a client reads an answer.
        keep_alive_seconds: A connection may idle between two requests.
        connections: At once; one more takes the place of the one that has idled longest.
        stop_seconds: For requests under way when the service is told to stop.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    addresses: Count = 1_000
    job_addresses: Count = 1_000_000
    job_list: Count = 100_000
    json_bytes: Count = MIB
    job_json_bytes: Count = 8 * MIB
    upload_bytes: Count = 96 * MIB
    requests_per_second: Seconds = 20.0
    burst: Count = 100
    validate_seconds: Seconds = 120.0
    validations: Count = 50
    in_hand: Count = 200
    header_seconds: Seconds = 10.0
    body_seconds: Seconds = 20.0
    body_rate: Count = 16_384
    answer_seconds: Seconds = 30.0
    keep_alive_seconds: Seconds = 30.0
    connections: Count = 4_000
    stop_seconds: Seconds = 20.0


class FleetTable(BaseModel):
    """Jobs and `/validate` are carried by the fleet's nodes: for the orchestrator, which asks nobody itself.

    Attributes:
        database: libpq's connection string of the engine's database.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str = Field(min_length=1, repr=False)


class WorkerTable(BaseModel):
    """This process works for the fleet besides, from the same source addresses.

    Attributes:
        node: This host's name, as its NATS identity has it.
        nats: `tls://HOST:PORT`.
        seed: File of its nkey seed.
        ca: File of the authority that signed for NATS.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    nats: str
    seed: Path
    ca: Path


class Config(BaseModel):
    """Where the service listens and what it uses.

    Attributes:
        listen: IP:PORT; under systemd's socket activation the unit's socket is used instead.
        state: Directory of the jobs, the outbox and uploads under way.
        keys: File of the callers' keys, see `api.keys`.
        tls_certificate, tls_key: PEM files; both or neither.
        allow_plain_http: Serve without TLS on an address that is not loopback, because the network between is
            trusted as this machine is: a container's own network, a tunnel.
        validator: The validator's configuration, see docs/validator.md; without one its defaults hold.
        reports: Directory of reports that others write as NAME.json, for `GET /reports/NAME`.
        fleet: See `FleetTable`; the validator is not used then.
        worker: See `WorkerTable`.
        log_addresses: Log each address checked with its verdict.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str = "127.0.0.1:8025"
    state: Path = Path()
    keys: Path = Path("/etc/outreach/api-keys.toml")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    allow_plain_http: bool = False
    validator: Path | None = None
    reports: Path | None = None
    fleet: FleetTable | None = None
    worker: WorkerTable | None = None
    log_addresses: bool = False
    limits: Limits = Limits()

    @property
    def endpoint(self) -> tuple[str, int]:
        """Address and port of `listen`."""
        return parse_endpoint(self.listen)

    def tls(self) -> ssl.SSLContext | None:
        """A context that holds the certificate.

        Raises:
            ConfigurationError: a file cannot be read, or the two do not fit each other.
        """
        if self.tls_certificate is None or self.tls_key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.tls_certificate, self.tls_key, password="")
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(
                f"TLS: cannot use {self.tls_certificate} with {self.tls_key}: {reason}"
            ) from None
        return context

    def need_worker_files(self) -> None:
        """See that what `worker` names is there, now and not at the first connection.

        Raises:
            ConfigurationError: naming the file.
        """
        for path in (self.worker.seed, self.worker.ca) if self.worker else ():
            try:
                path.read_bytes()
            except OSError as error:
                raise ConfigurationError(f"worker: cannot read {path}: {error.strerror}") from None

    def refuse_open(self, host: str) -> None:
        """Hold that keys and addresses do not cross a network in the clear.

        Raises:
            ConfigurationError: the address is not loopback and there is no TLS.
        """
        if self.tls_certificate is None and not self.allow_plain_http and not _is_loopback(host):
            raise ConfigurationError(
                f"listen: {host} can be reached from other machines and there is no TLS: set tls_certificate"
                " and tls_key, or listen on 127.0.0.1 (allow_plain_http = true if the network is the"
                " machine's own)"
            )


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check a file.

    Raises:
        ConfigurationError: naming the file and the key.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigurationError(f"{path}: {name}: {what}") from None
    try:
        return _completed(config, environ)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _completed(config: Config, environ: Mapping[str, str]) -> Config:
    host, _port = config.endpoint
    config.refuse_open(host)
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise ConfigurationError("tls_certificate and tls_key: give both or neither")
    if config.fleet and config.worker:
        raise ConfigurationError("fleet and worker: a host hands work out or does it; give one of them")
    if config.state == Path():
        # Several are separated by colons (systemd.exec(5), StateDirectory=).
        directory = environ.get("STATE_DIRECTORY", "").partition(":")[0]
        if not directory:
            raise ConfigurationError("state: name a directory (there is no $STATE_DIRECTORY)")
        config = config.model_copy(update={"state": Path(directory)})
    return config


def parse_endpoint(text: str) -> tuple[str, int]:
    """`IP:PORT` or `[V6]:PORT`.

    Raises:
        ConfigurationError: for anything else.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number < 65536:
        raise ConfigurationError(f"listen: {text!r} is not IP:PORT")
    return host, number


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
