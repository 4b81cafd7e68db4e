"""What Hetzner sells: locations, server types with prices, images.

Prices are for new orders in DE and FI since 15 June 2026, in euro without VAT; hours are a 1/624 of the month
as in the vendor's own lists.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from lab.emulators.store import Json

VAT_PERCENT = Decimal(19)
PRIMARY_IPV4_MONTHLY = Decimal("0.50")
_HOURS = 624

LOCATIONS: tuple[Json, ...] = tuple(
    {
        "id": number,
        "name": name,
        "description": description,
        "country": country,
        "city": city,
        "latitude": latitude,
        "longitude": longitude,
        "network_zone": "eu-central",
    }
    for number, name, description, country, city, latitude, longitude in (
        (1, "fsn1", "Falkenstein DC Park 1", "DE", "Falkenstein", 50.47612, 12.370071),
        (2, "nbg1", "Nuremberg DC Park 1", "DE", "Nuremberg", 49.452102, 11.076665),
        (3, "hel1", "Helsinki DC Park 1", "FI", "Helsinki", 60.169855, 24.938379),
    )
)

# id, name, cores, memory in GB, disk in GB, cpu type, architecture, EUR a month
_TYPES = (
    (114, "cx23", 2, 4, 40, "shared", "x86", "5.49"),
    (115, "cx33", 4, 8, 80, "shared", "x86", "8.49"),
    (116, "cx43", 8, 16, 160, "shared", "x86", "15.99"),
    (117, "cx53", 16, 32, 320, "shared", "x86", "29.49"),
    (45, "cax11", 2, 4, 40, "shared", "arm", "5.99"),
    (93, "cax21", 4, 8, 80, "shared", "arm", "10.49"),
    (109, "cpx22", 2, 4, 80, "shared", "x86", "19.49"),
    (96, "ccx13", 2, 8, 80, "dedicated", "x86", "42.99"),
)

# id, name, flavour, version, architecture
_IMAGES = (
    (310557660, "debian-13", "debian", "13", "x86"),
    (310557661, "debian-13", "debian", "13", "arm"),
    (114690387, "debian-12", "debian", "12", "x86"),
    (161547269, "ubuntu-24.04", "ubuntu", "24.04", "x86"),
)


def money(net: Decimal) -> Json:
    """A price as the API writes it: strings, without and with VAT."""
    gross = net * (1 + VAT_PERCENT / 100)
    return {
        kind: str(value.quantize(Decimal("1e-10"), ROUND_HALF_UP))
        for kind, value in (("net", net), ("gross", gross))
    }


def _price(location: Json, monthly: Decimal) -> Json:
    return {
        "location": location["name"],
        "price_hourly": money(monthly / _HOURS),
        "price_monthly": money(monthly),
        "included_traffic": 20 * 1024**4,
        "price_per_tb_traffic": money(Decimal("1.00")),
    }


SERVER_TYPES: tuple[Json, ...] = tuple(
    {
        "id": number,
        "name": name,
        "description": name.upper(),
        "category": "Cost-Optimized" if cpu == "shared" else "General Purpose",
        "cores": cores,
        "memory": float(memory),
        "disk": disk,
        "deprecated": False,
        "deprecation": None,
        "prices": [_price(location, Decimal(monthly)) for location in LOCATIONS],
        "storage_type": "local",
        "cpu_type": cpu,
        "architecture": architecture,
        "locations": [
            {
                "id": location["id"],
                "name": location["name"],
                "deprecation": None,
                "available": True,
                "recommended": location["name"] != "hel1",
            }
            for location in LOCATIONS
        ],
    }
    for number, name, cores, memory, disk, cpu, architecture, monthly in _TYPES
)

IMAGES: tuple[Json, ...] = tuple(
    {
        "id": number,
        "type": "system",
        "status": "available",
        "name": name,
        "description": name.replace("-", " ").title(),
        "image_size": None,
        "disk_size": 5,
        "created": "2025-08-12T08:00:00Z",
        "created_from": None,
        "bound_to": None,
        "os_flavor": flavour,
        "os_version": version,
        "rapid_deploy": True,
        "protection": {"delete": False},
        "deprecated": None,
        "deprecation": None,
        "deleted": None,
        "labels": {},
        "architecture": architecture,
    }
    for number, name, flavour, version, architecture in _IMAGES
)


def pricing() -> Json:
    """The price list of `GET /pricing`, as far as a fleet of servers needs it."""
    return {
        "currency": "EUR",
        "vat_rate": str(VAT_PERCENT.quantize(Decimal("1e-6"))),
        "image": {"price_per_gb_month": money(Decimal("0.0110"))},
        "volume": {"price_per_gb_month": money(Decimal("0.0440"))},
        "server_backup": {"percentage": "20.0000000000"},
        "server_types": [
            {"id": kind["id"], "name": kind["name"], "prices": kind["prices"]} for kind in SERVER_TYPES
        ],
        "primary_ips": [
            {
                "type": kind,
                "prices": [
                    {
                        "location": location["name"],
                        "price_hourly": money(monthly / _HOURS),
                        "price_monthly": money(monthly),
                    }
                    for location in LOCATIONS
                ],
            }
            for kind, monthly in (("ipv4", PRIMARY_IPV4_MONTHLY), ("ipv6", Decimal(0)))
        ],
        "floating_ip": {"price_monthly": money(Decimal("3.00"))},
        "floating_ips": [],
        "load_balancer_types": [],
    }
