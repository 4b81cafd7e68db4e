"""Asks n8n for workflows, or gives it new ones. Runs on the orchestrator, as root, by its own python3 alone.

    key          makes the API key, where there is none or n8n does not know it any more
    look ID...   one line of JSON: the workflows that there are, by id; "absent" where nobody could be asked
    publish      takes a JSON list of workflows on standard input, creates or replaces and publishes each, and
                 prints them as n8n has them then

n8n's public API is asked with a key that is made here once, from the owner's password. That API gives a new
workflow an id of its own choice, so a workflow of ours is created as the UI does it.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path("/etc/outreach/n8n")
KEY = Path("/var/lib/outreach/n8n/api-key")
PORT = 5678
SECONDS = 60
SCOPES = ["workflow:list", "workflow:read", "workflow:create", "workflow:update"]
SCOPES += ["workflow:activate", "workflow:deactivate"]
_FIELDS = ("name", "nodes", "connections", "settings")


class Refused(Exception):
    """n8n did not do what it was asked; one line."""


def call(method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any, str]:
    """Ask n8n: the status, the body, and the cookie it set."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        said = response.read().decode("utf-8", "replace")
    except OSError as error:
        raise Refused(f"n8n does not answer: {error}") from None
    finally:
        connection.close()
    cookie = (response.getheader("Set-Cookie") or "").partition(";")[0]
    try:
        return response.status, json.loads(said), cookie
    except ValueError:
        return response.status, said, cookie


def done(what: str, answer: tuple[int, Any, str]) -> Any:
    """The body of an answer that is no refusal."""
    status, body, _ = answer
    if not 200 <= status < 300:
        reason = body.get("message", body) if isinstance(body, dict) else body
        raise Refused(f"n8n refuses to {what}: {status} {' '.join(str(reason).split())[:300]}")
    return body


def log_in() -> str:
    """The owner's session, as a cookie."""
    password = (FOLDER / "owner-password").read_text()
    settings = (line.partition("=") for line in (FOLDER / "env").read_text().splitlines())
    owner = {name: value for name, _, value in settings}["N8N_INSTANCE_OWNER_EMAIL"]
    answer = call("POST", "/rest/login", {"emailOrLdapLoginId": owner, "password": password})
    done("log its owner in", answer)
    return answer[2]


def key() -> str:
    """The API key, made anew where there is none or n8n does not know it any more."""
    if KEY.exists():
        found = KEY.read_text()
        if call("GET", "/api/v1/workflows?limit=1", **{"X-N8N-API-KEY": found})[0] != 401:
            return found
    wanted = {"label": f"outreach apply {os.urandom(4).hex()}", "expiresAt": None, "scopes": SCOPES}
    made = done("make an API key", call("POST", "/rest/api-keys", wanted, Cookie=log_in()))
    KEY.parent.mkdir(parents=True, exist_ok=True)
    new = KEY.with_suffix(".new")
    new.touch(0o600)
    new.write_text(made["data"]["rawApiKey"])
    new.replace(KEY)
    return KEY.read_text()


def look(ids: list[str], secret: str) -> dict[str, Any]:
    """The workflows among `ids` that n8n has."""
    found = {}
    for one in ids:
        answer = call("GET", f"/api/v1/workflows/{one}", **{"X-N8N-API-KEY": secret})
        if answer[0] != 404:
            found[one] = done(f"show the workflow {one}", answer)
    return found


def publish(wanted: list[dict[str, Any]]) -> dict[str, Any]:
    """Create or replace workflows, and publish them."""
    secret = key()
    present = look([one["id"] for one in wanted], secret)
    session = ""
    for one in wanted:
        path = f"/api/v1/workflows/{one['id']}"
        content = {name: one[name] for name in _FIELDS}
        if one["id"] in present:
            answer = call("PUT", path, content, **{"X-N8N-API-KEY": secret})
        else:
            session = session or log_in()
            answer = call("POST", "/rest/workflows", {"id": one["id"], **content}, Cookie=session)
        done(f"take the workflow {one['name']!r}", answer)
        answer = call("POST", f"{path}/publish", {}, **{"X-N8N-API-KEY": secret})
        done(f"publish the workflow {one['name']!r}", answer)
    return look([one["id"] for one in wanted], secret)


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """Do what the arguments say."""
    try:
        if sys.argv[1] == "key":
            key()
        elif sys.argv[1] == "publish":
            say(json.dumps(publish(json.load(sys.stdin))))
        elif KEY.exists():
            say(json.dumps(look(sys.argv[2:], KEY.read_text())))
        else:
            say("absent")
    except Refused as refused:
        say("absent" if sys.argv[1] == "look" else f"error: {refused}")
        sys.exit(sys.argv[1] != "look")


main()
