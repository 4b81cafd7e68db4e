"""GET /reports: what others wrote is served as it is, with its age, and never anything beside it."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime

from api.keys import Scope
from api.routes.reports import LARGEST
from tests.api.running import Running, running
from tests.api.test_refusals import problem


def test_a_report_is_served_as_it_was_written_with_its_age_and_the_next_one_too(own: Running) -> None:
    path = own.report("costs", {"total_monthly": "12.50", "currency": "EUR"})
    os.utime(path, (time.time() - 7200,) * 2)
    with running(own), own.client() as client:
        answer = client.get("/reports/costs")
        found = answer.json()
        assert (found["total_monthly"], found["currency"]) == ("12.50", "EUR")
        assert 7200 <= found["age_seconds"] < 7260
        written = parsedate_to_datetime(answer.headers["last-modified"]).timestamp()
        assert abs(written - path.stat().st_mtime) <= 1
        own.report("costs", {"total_monthly": "13.00"})
        assert client.get("/reports/costs").json()["total_monthly"] == "13.00"
        problem(client.get("/reports/status"), 404, "no_such_report")


def test_a_service_without_reports_and_a_key_without_their_scope_are_told_so(own: Running) -> None:
    key = own.add_key("n8n", Scope.VALIDATE)
    with running(own), own.client() as client, own.client(key) as other:
        problem(client.get("/reports/status"), 404, "no_such_report")
        problem(other.get("/reports/status"), 403, "forbidden")


def test_a_damaged_report_is_said_to_be_so(own: Running) -> None:
    for text in ("", "{", "[1]", "[" * 100_000, '{"a": "' + "x" * LARGEST + '"}', "\udcff"):
        (own.folder / "reports").mkdir(exist_ok=True)
        (own.folder / "reports/status.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        own.settings["reports"] = str(own.folder / "reports")
        if own.process is None:
            own.start()
        with own.client() as client:
            problem(client.get("/reports/status"), 503, "report_unreadable")


def test_no_name_leads_out_of_the_directory(own: Running) -> None:
    own.report("status", {})
    (own.folder / "keys.json").write_text('{"secret": 1}')
    with running(own), own.client() as client:
        for name in ("../keys", "..%2Fkeys", "Status", "a" * 41, "status.json", "%00", "s/t", "-"):
            answer = client.get(f"/reports/{name}")
            assert answer.status_code in (404, 422)
            assert "secret" not in answer.text
