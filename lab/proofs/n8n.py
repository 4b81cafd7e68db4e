"""Proofs of n8n on the orchestrator: behind TLS, closed without a login, its workflows doing their work.

What calls it stands where operators stand, and takes only a certificate that the lab's authority issued.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from deploys.n8n.owner import owner_address, owner_password
from deploys.n8n.services import SHEET_HEADER, WEBHOOK_HEADER, sheet_key, webhook_key
from deploys.secrets import root_secret
from deploys.workflows import load
from inventory import Allocation, allocate, load_fleet
from lab.addresses import ACME_NAME, OPERATOR
from lab.proofs.doors import open_doors
from lab.proofs.rollback import CHECKOUT, outreach
from lab.proofs.scene import Disproved, Scene, wait_until
from lab.proofs.tools import chat

LEADS, VALID = 200, 50
_SHARED = 2
"""Leads of one address: the same person in two companies. 100 addresses keep within the nodes' pace."""
_SECONDS = 300


def tls_by_the_authority(scene: Scene) -> str:
    """It answers at 443 with a certificate of the lab's authority, to operators and to nobody else."""
    with _n8n(scene) as n8n:
        answer = n8n.get("/healthz/readiness")
        if answer.status_code != requests.codes.ok:
            raise Disproved(f"{n8n.url}/healthz/readiness answers {answer.status_code}")
        missing = {"Strict-Transport-Security", "X-Content-Type-Options"} - answer.headers.keys()
        if missing:
            raise Disproved(f"it answers without {', '.join(sorted(missing))}")
        where = scene.run("stranger", ["getent", "ahostsv4", n8n.name]).split()[0]
    opened = open_doors(partial(scene.run, scene.stranger), [f"{where} 443"])
    if opened:
        raise Disproved(f"a stranger finds open {', '.join(opened)}")
    return f"{n8n.url} verified against the authority's root; closed to {scene.stranger}"


def login_is_asked_for(scene: Scene) -> str:
    """Without a login, a key or the webhook's header nothing is shown or done; the owner's login works."""
    with _n8n(scene) as n8n:
        tries = {
            "/rest/workflows": n8n.get("/rest/workflows"),
            "/api/v1/workflows": n8n.get("/api/v1/workflows"),
            "/webhook/leads": n8n.post("/webhook/leads", {"leads_url": "http://127.0.0.1/"}),
        }
        let_in = {path: a.status_code for path, a in tries.items() if a.status_code not in (401, 403)}
        if let_in:
            raise Disproved(f"without a login {let_in}")
        if (figures := n8n.get("/metrics").status_code) != requests.codes.not_found:
            raise Disproved(f"/metrics answers {figures} from outside")
        n8n.log_in()
    refused = ", ".join(f"{path} {answer.status_code}" for path, answer in tries.items())
    return f"without: {refused}; with the derived password its owner is in"


def workflows_are_published(scene: Scene) -> str:
    """Every workflow we ship is there under its id, and published."""
    with _n8n(scene) as n8n:
        n8n.log_in()
        there = {one["id"]: one for one in n8n.get("/rest/workflows").json()["data"]}
    wanted = {one.id: one.name for one in load()}
    lacking = [name for key, name in wanted.items() if not there.get(key, {}).get("activeVersionId")]
    if lacking:
        raise Disproved(f"not published: {', '.join(lacking)}")
    return ", ".join(wanted.values())


def leads_come_back_validated(scene: Scene) -> str:
    """The webhook's 200 leads are validated for real, and exactly the valid ones are written back."""
    header, rows, valid = _leads()
    with _n8n(scene) as n8n, _sheet(_csv([header, *rows])) as sheet:
        body = {"leads_url": f"{sheet.url}/leads.csv", "results_url": f"{sheet.url}/valid.csv"}
        answer = n8n.post("/webhook/leads", body, **n8n.hook)
        if answer.status_code != requests.codes.ok:
            raise Disproved(f"the webhook answered {answer.status_code} {answer.text[:200]}")
        said = answer.json()
    written = list(csv.reader(io.StringIO(sheet.written[-1].decode()))) if sheet.written else []
    if written != [header, *valid]:
        raise Disproved(f"{len(written)} rows were written back instead of {len(valid) + 1}; n8n says {said}")
    told = f"{VALID} of {LEADS} leads are valid"
    wait_until(lambda: any(told in text for text in chat(scene)), f"{told!r} in the chat", 60)
    return f"{said['counts']}; {len(valid)} rows written back, the team was told"


def digest_reaches_the_team(scene: Scene) -> str:
    """The daily digest, asked for by its webhook, is in the team's chat."""
    with _n8n(scene) as n8n:
        answer = n8n.post("/webhook/digest", {}, **n8n.hook)
    if answer.status_code != requests.codes.ok:
        raise Disproved(f"the webhook answered {answer.status_code} {answer.text[:200]}")
    wait_until(lambda: _told(scene, "Fleet digest, "), "the digest in the chat", 60)
    text = _told(scene, "Fleet digest, ")[-1]
    if "{" in text:
        raise Disproved(f"it shows people what is meant for programs: {text}")
    return " / ".join(text.splitlines()[:4])


def failure_reaches_the_team(scene: Scene) -> str:
    """A workflow that fails is told of, with where and why."""
    token = uuid.uuid4().hex
    with _n8n(scene) as n8n, _sheet(f"name,{token}\r\nAnna,x\r\n".encode()) as sheet:
        body = {"leads_url": f"{sheet.url}/leads.csv", "results_url": f"{sheet.url}/valid.csv"}
        answer = n8n.post("/webhook/leads", body, **n8n.hook)
    if answer.status_code == requests.codes.ok:
        raise Disproved("leads without e-mail addresses were taken")

    def told() -> list[str]:
        return [text for text in _told(scene, "Workflow ") if token in text]

    wait_until(told, "the failure in the chat", 60)
    return told()[0]


def edit_stays_until_forced(scene: Scene) -> str:
    """What a person changed in n8n is named by a plan, left by an apply, and replaced by `--force` alone."""
    wanted = next(iter(load()))
    with _n8n(scene) as n8n:
        n8n.log_in()
        n8n.rename(wanted.id, f"{wanted.name}, edited")
        planned = outreach(scene, CHECKOUT, "plan")
        if "was edited in n8n and is left" not in planned.stdout + planned.stderr:
            raise Disproved(f"the plan says nothing of it: {planned.stdout[-300:]} {planned.stderr[-300:]}")
        words = ("apply", "--only", "nodes", "--limit", scene.orchestrator, "--yes")
        for extra, name in (((), f"{wanted.name}, edited"), (("--force",), wanted.name)):
            applied = outreach(scene, CHECKOUT, *words, *extra)
            if applied.returncode:
                raise Disproved(f"{' '.join(extra) or 'apply'}: {applied.stderr[-300:]}")
            if (found := n8n.workflow(wanted.id)["name"]) != name:
                raise Disproved(f"after apply {' '.join(extra)} it is {found!r}")
    return f"{wanted.name!r} was renamed: named by the plan, left by an apply, put back by --force"


def _told(scene: Scene, beginning: str) -> list[str]:
    return [text for text in chat(scene) if text.startswith(beginning)]


class _N8n:
    """n8n as an operator's programs see it."""

    def __init__(self, allocation: Allocation, root: str) -> None:
        self.name = allocation.orchestrator.fqdn
        self.url = f"https://{self.name}"
        self.owner = owner_address(allocation.fleet.infra_domain)
        self.hook = {WEBHOOK_HEADER: webhook_key(root_secret(os.environ))}
        self._root = root
        self._session = requests.Session()

    def get(self, path: str) -> requests.Response:
        # Given with each call: a session's own is overridden by REQUESTS_CA_BUNDLE.
        return self._session.get(self.url + path, timeout=_SECONDS, verify=self._root)

    def post(self, path: str, body: dict[str, str], **headers: str) -> requests.Response:
        url = self.url + path
        return self._session.post(url, json=body, headers=headers, timeout=_SECONDS, verify=self._root)

    def workflow(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/rest/workflows/{key}").json()["data"]
        return found

    def rename(self, key: str, name: str) -> None:
        """As the UI saves it."""
        there = self.workflow(key)
        body = {field: there[field] for field in ("nodes", "connections", "settings", "versionId")}
        url = f"{self.url}/rest/workflows/{key}"
        answer = self._session.patch(url, json={**body, "name": name}, timeout=_SECONDS, verify=self._root)
        if answer.status_code != requests.codes.ok:
            raise Disproved(f"n8n takes no edit: {answer.status_code} {answer.text[:200]}")

    def log_in(self) -> None:
        login = {"emailOrLdapLoginId": self.owner, "password": owner_password(root_secret(os.environ))}
        answer = self.post("/rest/login", login)
        if answer.status_code != requests.codes.ok:
            raise Disproved(f"{self.owner} cannot log in: {answer.status_code} {answer.text[:200]}")

    def certified(self) -> bool:
        """Whether it has its certificate by now: the authority is asked when the name is in DNS."""
        try:
            self.get("/healthz")
        except requests.RequestException:
            return False
        return True


@contextmanager
def _n8n(scene: Scene) -> Iterator[_N8n]:
    asked = requests.get(f"https://{ACME_NAME}:15000/roots/0", verify=os.environ["ACME_CA"], timeout=10)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root.pem")
        root.write_text(asked.text)
        n8n = _N8n(allocate(load_fleet(scene.fleet)), str(root))
        wait_until(n8n.certified, f"{n8n.url} with a certificate of the lab's authority", 90)
        yield n8n


@dataclass
class _Sheet:
    """A sheet's server: gives one CSV, and keeps what is written back."""

    url: str
    written: list[bytes] = field(default_factory=list)


@contextmanager
def _sheet(text: bytes) -> Iterator[_Sheet]:
    key = sheet_key(root_secret(os.environ))
    sheet = _Sheet("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(text)

        def do_PUT(self) -> None:
            sheet.written.append(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            known = self.headers.get(SHEET_HEADER) == key
            self.send_response(200 if known else 403)
            self.send_header("Content-Type", "text/csv; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if known else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
            """Say nothing: a proof's output is its report."""

    with ThreadingHTTPServer((OPERATOR, 0), Handler) as server:
        sheet.url = f"http://{OPERATOR}:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield sheet
        server.shutdown()


_KINDS = (
    "carl+{}@receiver.example",
    "no-{}@receiver.example",
    "no.{}@receiver.example",
    "{}@catchall.example",
)
"""A mailbox that exists (with an extension, RFC 5233), two that do not, a domain that takes every name."""


def _leads() -> tuple[list[str], list[list[str]], list[list[str]]]:
    """A header, 200 rows, and those of them whose mailbox exists; some need quoting."""
    token = uuid.uuid4().hex[:8]
    rows, valid = [], []
    for number in range(LEADS):
        kind = number % len(_KINDS)
        address = _KINDS[kind].format(f"{token}{number % (LEADS // _SHARED)}")
        row = [f"Lead {number}, Inc.", address, 'says "hello"' if number % 8 == 0 else ""]
        rows.append(row)
        if kind == 0:
            valid.append(row)
    return ["company", "Email", "note"], rows, valid


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
