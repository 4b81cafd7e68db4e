"""What Contabo sells, as far as the API shows it: products, regions, images. The API shows no prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.emulators.contabo.envelope import OWNER
from lab.emulators.store import Json


@dataclass(frozen=True)
class Product:
    """A product by its id: name, cores, memory and disk in MB, kind of disk."""

    name: str
    cores: int
    memory: int
    disk: int
    kind: str


PRODUCTS: Mapping[str, Product] = {
    "V153": Product("Cloud VPS 4", 4, 8192, 102_400, "ssd"),
    "V154": Product("Cloud VPS 6", 6, 12_288, 204_800, "ssd"),
    "V155": Product("Cloud VPS 8", 8, 24_576, 307_200, "ssd"),
    "V156": Product("Cloud VPS 12", 12, 49_152, 409_600, "ssd"),
    "V157": Product("Cloud VPS 16", 16, 65_536, 512_000, "ssd"),
    "V158": Product("Cloud VPS 18", 18, 98_304, 614_400, "ssd"),
    "V159": Product("Cloud VPS Plus 4", 4, 8192, 153_600, "nvme"),
    "V160": Product("Cloud VPS Plus 6", 6, 12_288, 204_800, "nvme"),
}

REGIONS: Mapping[str, str] = {
    "EU": "European Union",
    "US-central": "United States (Central)",
    "US-east": "United States (East)",
    "US-west": "United States (West)",
    "SIN": "Asia (Singapore)",
    "UK": "United Kingdom",
    "AUS": "Australia (Sydney)",
    "JPN": "Asia (Japan)",
    "IND": "Asia (India)",
}

PERIODS = (1, 3, 6, 12)
"""Contract terms in months."""


def _image(key: str, name: str, description: str, version: str) -> Json:
    return {
        "imageId": key,
        **OWNER,
        "name": name,
        "description": description,
        "url": "",
        "sizeMb": 2048,
        "uploadedSizeMb": 0,
        "osType": "Linux",
        "version": version,
        "format": "qcow2",
        "status": "downloaded",
        "errorMessage": "",
        "standardImage": True,
        "creationDate": "2025-08-20T09:00:00.000Z",
        "lastModifiedDate": "2026-10-01T09:00:00.000Z",
        "tags": [],
    }


IMAGES = (
    _image("6fbb9f3f-1f3c-4f0e-8b6c-3d1d9d3a1b13", "debian-13", "Debian 13 (Trixie)", "13"),
    _image("db1409d2-ed92-4f2f-978e-7b2fa4a1ec90", "debian-12", "Debian 12 (Bookworm)", "12"),
    _image("afecbb85-e2fc-46f0-9684-b46b1faf00bb", "ubuntu-22.04", "Ubuntu 22.04 (LTS)", "22.04"),
)
