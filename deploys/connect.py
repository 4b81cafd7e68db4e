"""The providers of a fleet, out of the environment: the only place that reads tokens and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from deploys.ownership import Identity
from deploys.plan import Area
from deploys.providers import ServerVendor
from deploys.providers.cloudflare import Cloudflare
from deploys.providers.contabo import SETTLES, Contabo
from deploys.providers.contabo_client import ContaboClient, Credentials
from deploys.providers.hetzner import Hetzner
from deploys.providers.orders import Orders
from deploys.wanted import identity
from deploys.world import Current, Hosted, Rented
from inventory import Allocation

CONTABO = ("CONTABO_CLIENT_ID", "CONTABO_CLIENT_SECRET", "CONTABO_API_USER", "CONTABO_API_PASSWORD")


class SettingsError(ValueError):
    """The environment lacks something a provider needs; the text is one line."""


@dataclass(frozen=True)
class Providers:
    """The providers a fleet uses.

    Args:
        vendors: those that rent out servers, by name.
        dns: the one that holds its zones; None where DNS is out of scope.
    """

    vendors: Mapping[str, ServerVendor]
    dns: Cloudflare | None

    def read(self, allocation: Allocation) -> Current:
        """Read everything that concerns the fleet, all providers at the same time.

        Raises:
            ProviderError: one of them cannot be read.
        """
        zones = [allocation.fleet.infra_domain, *(home.domain for home in allocation.homes)]
        with ThreadPoolExecutor(len(self.vendors) + 1) as pool:
            hosted = pool.submit(self.dns.read, zones) if self.dns else None
            rented = list(pool.map(lambda vendor: vendor.read(), self.vendors.values()))
            return Current(reduce(add, rented, Rented()), hosted.result() if hosted else Hosted())


def connect(
    allocation: Allocation, areas: frozenset[Area], environ: Mapping[str, str], journal: Path
) -> Providers:
    """The providers of a fleet. Connects to none yet.

    A vendor the fleet no longer names is asked too, if its token is there: it may hold servers to end.

    Args:
        allocation: the fleet.
        areas: DNS is left out unless it is among them.
        environ: tokens and endpoints, named as in `.env.example`.
        journal: file of orders whose fate is not known.

    Raises:
        SettingsError: a token is not set.
    """
    names = identity(allocation)
    used = {str(server.provider) for server in allocation.servers}
    make: Mapping[str, tuple[tuple[str, ...], Callable[[], ServerVendor]]] = {
        "hetzner": (("HCLOUD_TOKEN",), lambda: _hetzner(environ, names)),
        "contabo": (CONTABO, lambda: _contabo(environ, names, Orders(journal))),
    }
    vendors: dict[str, ServerVendor] = {}
    for vendor, (variables, build) in make.items():
        missing = [name for name in variables if not environ.get(name)]
        if missing and vendor in used:
            raise SettingsError(
                f"{missing[0]} is not set: {vendor} needs it; docs/providers.md says how to get it"
            )
        if not missing:
            vendors[vendor] = build()
    return Providers(vendors, _cloudflare(allocation, environ, names) if Area.DNS in areas else None)


def _hetzner(environ: Mapping[str, str], names: Identity) -> Hetzner:
    return Hetzner(environ["HCLOUD_TOKEN"], names, **_endpoint(environ, "HCLOUD_ENDPOINT"))


def _contabo(environ: Mapping[str, str], names: Identity, orders: Orders) -> Contabo:
    credentials = Credentials(*(environ[name] for name in CONTABO))
    urls = {"api": environ.get("CONTABO_API_URL"), "token_url": environ.get("CONTABO_TOKEN_URL")}
    client = ContaboClient(credentials, **{name: url for name, url in urls.items() if url})
    try:
        settles = float(environ.get("OUTREACH_ORDER_SETTLES") or SETTLES)
    except ValueError:
        raise SettingsError("OUTREACH_ORDER_SETTLES is not a number of seconds") from None
    return Contabo(client, names, orders, settles)


def _cloudflare(allocation: Allocation, environ: Mapping[str, str], names: Identity) -> Cloudflare:
    token = environ.get("CLOUDFLARE_API_TOKEN")
    if not token:
        raise SettingsError(
            "CLOUDFLARE_API_TOKEN is not set: cloudflare needs it; docs/providers.md says how to get it"
        )
    return Cloudflare(token, allocation.fleet.dns.account, names, **_endpoint(environ, "CLOUDFLARE_BASE_URL"))


def _endpoint(environ: Mapping[str, str], variable: str) -> dict[str, str]:
    return {"endpoint": environ[variable].rstrip("/")} if environ.get(variable) else {}
