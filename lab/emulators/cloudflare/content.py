"""Record contents as Cloudflare takes and stores them: checked, and brought to one form.

Pure functions. Names lose their trailing dot and become lower case; relative names get the zone's name;
quoted TXT content becomes character strings of at most 255 bytes (RFC 1035 section 3.3).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from lab.emulators.cloudflare.envelope import error, invalid
from lab.emulators.store import Json

PROXIABLE = ("A", "AAAA", "CNAME")
TXT_MAXIMUM = 2048
"""Characters of one TXT record's content."""

_LABEL = re.compile(r"(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def owner(name: Any, zone: str) -> str:
    """The full name of a record: `@` is the zone, a name outside the zone is taken as relative to it.

    Raises:
        VendorError: 9000, no DNS name.
    """
    if not isinstance(name, str) or not name:
        raise invalid(9000, "DNS name is invalid.")
    full = ascii_name(name)
    if full == "@":
        return zone
    if full != zone and not full.endswith("." + zone):
        full = f"{full}.{zone}"
    if not is_hostname(full):
        raise invalid(9000, "DNS name is invalid.")
    return full


def ascii_name(name: str) -> str:
    """Lower case, A-labels, no trailing dot."""
    name = name.lower().removesuffix(".")
    try:
        return name if name.isascii() else str(name.encode("idna"), "ascii")
    except UnicodeError:
        raise invalid(9000, "DNS name is invalid.") from None


def is_hostname(name: str) -> bool:
    """Whether it is a name of DNS as Cloudflare takes them: underscores and a leading * included."""
    labels = name.split(".")
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and "*" not in labels[1:]


def character_strings(content: str) -> list[bytes]:
    """The strings of a TXT record's content; unquoted content is one string, long ones are split.

    Raises:
        VendorError: 1004 for quotes that do not pair, or nothing in them.
    """
    text = content.strip()
    if not text.startswith('"'):
        strings = [text.encode()]
    else:
        if _QUOTED.sub("", text).strip():
            raise invalid(9218, "TXT content must consist of quoted character strings.")
        strings = [_unescape(match[1]) for match in _QUOTED.finditer(text)]
    if not text or len(text) > TXT_MAXIMUM:
        raise invalid(9218, f"TXT content must have between 1 and {TXT_MAXIMUM} characters.")
    return [string[at : at + 255] for string in strings for at in range(0, max(1, len(string)), 255)]


def quoted(strings: list[bytes]) -> str:
    """Character strings in presentation format (RFC 1035 section 5.1)."""
    return " ".join('"' + "".join(_escape(byte) for byte in string) + '"' for string in strings)


def normalise(kind: str, body: Mapping[str, Any]) -> Json:
    """The stored form of a record's content.

    Args:
        kind: the record's type.
        body: `content`, or `data` where the type has parts; `priority` for MX.

    Returns:
        `content`, and `priority` and `data` for the types that have them.

    Raises:
        VendorError: the content is not of the type.
    """
    function = _TYPES.get(kind)
    if function is None:
        raise invalid(9003, f"Invalid 'type' value: {kind}.")
    return function(body)


def _escape(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"


def _unescape(text: str) -> bytes:
    found = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "\\":
            found += text[at].encode()
            at += 1
        elif text[at + 1 : at + 4].isdecimal() and int(text[at + 1 : at + 4]) < 256:
            found.append(int(text[at + 1 : at + 4]))
            at += 4
        else:
            found += text[at + 1].encode()
            at += 2
    return bytes(found)


def _text(body: Mapping[str, Any]) -> str:
    content = body.get("content")
    if not isinstance(content, str) or not content.strip():
        raise error(400, 9101, "content is a required field.")
    return content.strip()


def _a(body: Mapping[str, Any]) -> Json:
    try:
        return {"content": str(ipaddress.IPv4Address(_text(body)))}
    except ValueError:
        raise error(400, 9005, "Content for A record must be a valid IPv4 address.") from None


def _aaaa(body: Mapping[str, Any]) -> Json:
    try:
        return {"content": str(ipaddress.IPv6Address(_text(body)))}
    except ValueError:
        raise error(400, 9006, "Content for AAAA record must be a valid IPv6 address.") from None


def _target(kind: str, text: Any, code: int) -> str:
    target = ascii_name(text) if isinstance(text, str) else ""
    try:
        ipaddress.ip_address(target)
    except ValueError:
        if is_hostname(target):
            return target
    raise error(400, code, f"Content for {kind} record is invalid.")


def _cname(body: Mapping[str, Any]) -> Json:
    return {"content": _target("CNAME", _text(body), 9007)}


def _ns(body: Mapping[str, Any]) -> Json:
    return {"content": _target("NS", _text(body), 9008)}


def _ptr(body: Mapping[str, Any]) -> Json:
    return {"content": _target("PTR", _text(body), 9012)}


def _mx(body: Mapping[str, Any]) -> Json:
    priority = _integer("priority", body.get("priority"), 65535)
    text = _text(body)
    # A lone dot with priority 0 says that the name takes no mail (RFC 7505 section 3).
    return {"content": "." if text == "." else _target("MX", text, 9009), "priority": priority}


def _txt(body: Mapping[str, Any]) -> Json:
    text = _text(body)
    strings = character_strings(text)
    # What came without quotes stays so in the API; only the dashboard warns of it.
    return {"content": quoted(strings) if text.startswith('"') else text}


def _parts(body: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    """The parts of a record from `data`, or from the words of `content`."""
    data = body.get("data")
    if isinstance(data, dict):
        return data
    words = _text(body).split(None, len(names) - 1)
    if len(words) != len(names):
        raise invalid(9101, f"content must have the parts {', '.join(names)}.")
    return dict(zip(names, words, strict=True))


def _caa(body: Mapping[str, Any]) -> Json:
    parts = _parts(body, ("flags", "tag", "value"))
    flags, tag = _integer("flags", parts.get("flags"), 255), str(parts.get("tag", ""))
    value = str(parts.get("value", "")).strip('"')
    if tag not in ("issue", "issuewild", "iodef", "issuemail", "issuevmc"):
        raise invalid(9101, f"tag {tag} is not valid for a CAA record.")
    return {"content": f'{flags} {tag} "{value}"', "data": {"flags": flags, "tag": tag, "value": value}}


def _srv(body: Mapping[str, Any]) -> Json:
    parts = _parts(body, ("priority", "weight", "port", "target"))
    numbers = {name: _integer(name, parts.get(name), 65535) for name in ("priority", "weight", "port")}
    target = "." if parts.get("target") == "." else _target("SRV", parts.get("target"), 9013)
    content = f"{numbers['priority']} {numbers['weight']} {numbers['port']} {target}"
    return {"content": content, "priority": numbers["priority"], "data": {**numbers, "target": target}}


def _tlsa(body: Mapping[str, Any]) -> Json:
    parts = _parts(body, ("usage", "selector", "matching_type", "certificate"))
    numbers = {name: _integer(name, parts.get(name), 255) for name in ("usage", "selector", "matching_type")}
    certificate = str(parts.get("certificate", "")).lower()
    if not re.fullmatch(r"([0-9a-f]{2})+", certificate):
        raise invalid(9101, "certificate must be hexadecimal.")
    content = " ".join([*map(str, numbers.values()), certificate])
    return {"content": content, "data": {**numbers, "certificate": certificate}}


def _integer(name: str, value: Any, maximum: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise invalid(9101, f"{name} is a required number.") from None
    if not 0 <= number <= maximum:
        raise invalid(9101, f"{name} must be between 0 and {maximum}.")
    return number


_TYPES: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    "A": _a,
    "AAAA": _aaaa,
    "CAA": _caa,
    "CNAME": _cname,
    "MX": _mx,
    "NS": _ns,
    "PTR": _ptr,
    "SRV": _srv,
    "TLSA": _tlsa,
    "TXT": _txt,
}
