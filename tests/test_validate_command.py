"""`outreach validate`: what it writes, what it says, and that it ends in one line where it cannot go on."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from cli import app
from cli.listed import Listed
from cli.results import Results, ResultsError
from cli.validate import standing
from engine.messages import kept
from validator import Stage, Status, Verdict
from validator.rows import Format, InputError, Reader

FLEET = Path(__file__).parents[1] / "rehearsal.yaml"


def row(seq: int, place: int, email: str, details: str = "Fine.") -> dict[str, Any]:
    """A line of `/jobs/{id}/results`."""
    found = Verdict(email, Status.VALID, "accepted", details, 0.95, Stage.RCPT).to_dict()
    found["verdict"], found["status"] = found["status"], found.pop("label")
    return {"seq": seq, "row": place, **found}


ROWS = [row(1, 3, "c@a.test"), row(2, 1, "a@a.test", 'Two\nlines, and "quotes"'), row(3, 2, "b\n@a.test")]


@pytest.mark.parametrize(("ordered", "places"), [(False, [3, 1, 2]), (True, [1, 2, 3])])
def test_results_are_written_as_they_come_or_in_the_order_of_the_list(
    tmp_path: Path, ordered: bool, places: list[int]
) -> None:
    emails = {1: "a@a.test", 2: "b\n@a.test", 3: "c@a.test"}
    for name in ("out.csv", "out.jsonl"):
        with Results(tmp_path / name, 3, ordered=ordered) as results:
            for each in ROWS:
                results.add(each)
            assert (results.count, results.last) == (3, 3)
    with (tmp_path / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(int(found["row"]), found["email"]) for found in table] == [(n, emails[n]) for n in places]
    assert {(found["status"], found["label"], found["valid"]) for found in table} == {
        ("VALID", "Valid", "true")
    }
    objects = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(found["row"], found["email"]) for found in objects] == [(n, emails[n]) for n in places]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.jsonl"]


LISTS = {
    "csv": (
        b'\xef\xbb\xbfStatus;E-Mail;note\n\nnew; a@a.test ;"two\nlines"\nold;b\xff@a.test\n'
        b"\nold;c@a.test;caf\xe9;more\n"
    ),
    "jsonl": (
        b'\xef\xbb\xbf{"email": "a@a.test", "row": 9, "note": "x", "status": "new"}\n'
        b'\n"b\\udcff@a.test"\n{"mail": "c@a.test", "note": [1]}\n'
    ),
    "txt": b"\n a@a.test\nb\xff@a.test\nc@a.test",
}


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("to", ["csv", "jsonl"])
@pytest.mark.parametrize("kind", sorted(LISTS))
def test_the_columns_of_the_list_are_carried_through_as_validator_bulk_does(
    tmp_path: Path, kind: str, to: str, *, ordered: bool
) -> None:
    source, target = tmp_path / f"list.{kind}", tmp_path / f"out.{to}"
    source.write_bytes(LISTS[kind])
    with source.open("rb") as stream:
        reader = Reader(stream, "list", kind)
        rows = {row.number: row for row in reader.rows()}
    form = Format(to, reader.header, reader.index)
    answers = [row(seq, place, kept(rows[place].address)) for seq, place in enumerate((3, 1, 2), 1)]
    with Listed(source, kind) as listed, Results(target, 3, ordered=ordered, listed=listed) as results:
        for each in answers:
            results.add(each)
    wanted = [form.head()]
    for place in (1, 2, 3) if ordered else (3, 1, 2):
        verdict = Verdict(rows[place].address, Status.VALID, "accepted", "Fine.", 0.95, Stage.RCPT)
        wanted.append(form.record(rows[place], verdict.to_dict()))
    assert target.read_bytes().splitlines() == b"".join(wanted).splitlines()
    assert (b"lines" in target.read_bytes()) == (kind == "csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("email,name\na@a.test,A\nx@a.test,B\nc@a.test,C\n", "row 2 is not the one that was handed in"),
        ("email,name\na@a.test,A\n", "has 1 rows, the job 3: it is another list, or was changed"),
    ],
)
def test_columns_of_another_list_are_never_put_beside_a_verdict(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.csv").write_text(text)

    def written() -> None:
        with (
            Listed(tmp_path / "list.csv", "csv") as listed,
            Results(tmp_path / "out.csv", 3, ordered=False, listed=listed) as results,
        ):
            for place, email in enumerate(("a@a.test", "b@a.test", "c@a.test"), 1):
                results.add(row(place, place, email))

    with pytest.raises((ResultsError, InputError), match=said):
        written()


def test_a_list_that_is_read_again_takes_the_same_memory_whatever_its_length(tmp_path: Path) -> None:
    source, rows = tmp_path / "list.csv", 50_000
    source.write_text("email,name\n" + "".join(f"a{n}@a.test,Name {n}\n" for n in range(1, rows + 1)))
    tracemalloc.start()
    try:
        with Listed(source, "csv") as listed:
            for number in range(rows, 0, -50):
                found = listed.row(number, f"a{number}@a.test")
                assert found.fields == [f"a{number}@a.test", f"Name {number}"]
        assert listed.count == rows
        assert tracemalloc.get_traced_memory()[1] < 4 * rows
    finally:
        tracemalloc.stop()


def test_an_interrupted_run_leaves_no_half_ordered_file(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Results(tmp_path / "out.csv", 3, ordered=True) as results:
            results.add(ROWS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"must end in \.csv or \.jsonl"):
        Results(tmp_path / "out.txt", 1, ordered=False)
    with (
        pytest.raises(ResultsError, match="cannot be written: No such file"),
        Results(tmp_path / "no" / "out.csv", 1, ordered=False),
    ):
        pass


def test_a_verdict_is_read_as_it_was_written() -> None:
    verdict = Verdict(
        "a@a.test", Status.FULL, "over_quota", "Full.", 0.9, Stage.RCPT, 552, "5.2.2", "mx.a.test"
    )
    assert Verdict.from_dict(verdict.to_dict()) == verdict


def test_a_person_sees_how_far_a_job_is_and_what_keeps_it() -> None:
    job = {"id": "0" * 32, "state": "RUNNING", "done": 1200, "total": 20000, "rate": 12.34}
    job |= {"eta_seconds": 3725.0, "counts": {"VALID": 800, "CATCH_ALL": 400}}
    job |= {"cooling": ["google", "yahoo"], "error": "n1: disk full"}
    assert standing(job).splitlines() == [
        f"{'0' * 32} RUNNING  1,200 of 20,000  12.3/s, 1:02:05 left",
        "VALID 800  CATCH_ALL 400",
        "in cool-down: google, yahoo",
        "n1: disk full",
    ]


@pytest.mark.parametrize(
    ("words", "secret", "said"),
    [
        (["bulk", "no-list.csv", "-o", "out.csv"], "0" * 32, "no address"),
        (["jobs"], "", "OUTREACH_SECRET is not set"),
        (["bulk", "list.txt", "-o", "taken.csv"], "0" * 32, "taken.csv exists; --overwrite begins anew"),
        (["bulk", "list.txt", "-o", "list.txt", "--overwrite"], "0" * 32, "list.txt is the list itself"),
        (["follow", "0" * 32, "taken.csv", "-o", "taken.csv"], "0" * 32, "taken.csv is the list itself"),
        (["follow", "0" * 32, "-o", "out.csv", "--column", "x"], "0" * 32, "name it after the job"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str],
    secret: str,
    said: str,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTREACH_SECRET", secret)
    (tmp_path / "fleet.yaml").write_text(FLEET.read_text())
    (tmp_path / "list.txt").write_text("a@a.test\n")
    (tmp_path / "taken.csv").write_text("")
    with pytest.raises(SystemExit) as ended:
        app(["validate", *words, "--fleet", "fleet.yaml"], exit_on_error=False)
    assert ended.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


class Fleet:
    """An orchestrator whose fleet has checked all rows of ROWS but the last, before somebody gives up."""

    def __init__(self, _file: Path) -> None:
        self.calls: list[str] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ask(self, _method: str, path: str) -> dict[str, Any]:
        if len(self.calls) > 1:
            raise KeyboardInterrupt
        return {"id": path.rpartition("/")[2], "state": "RUNNING", "total": 3, "done": 2, "counts": {}} | {
            "rate": None,
            "eta_seconds": None,
            "cooling": [],
            "error": None,
        }

    def send(self, path: str, body: BinaryIO, _headers: object) -> dict[str, Any]:
        assert (path, len(body.read().splitlines())) == ("/jobs?column=who", 4)
        return self.ask("GET", f"/jobs/{'0' * 32}")

    def lines(self, path: str) -> list[dict[str, Any]]:
        self.calls.append(path)
        return ROWS[:2] if path.endswith("after=0") else []


@pytest.mark.parametrize("words", [["bulk", "my list"], ["follow", "0" * 32, "my list"]])
def test_who_gives_up_has_the_columns_so_far_and_is_told_how_to_come_back_to_them(
    words: list[str], *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cli.validate.Hub", Fleet)
    monkeypatch.setattr("cli.validate.POLL", 0.0)
    Path("my list").write_text("who,name\na@a.test,A\nb@a.test,B\nc@a.test,C\n")
    with pytest.raises(SystemExit) as ended:
        app(["validate", *words, "-o", "out.csv", "--column", "who", "--format", "csv"])
    assert ended.value.code == 130
    with Path("out.csv").open(newline="") as file:
        found = [(line["who"], line["name"], line["row"]) for line in csv.DictReader(file)]
    assert found == [("c@a.test", "C", "3"), ("a@a.test", "A", "1")]
    back = f"outreach validate follow {'0' * 32} 'my list' --column who --format csv -o out.csv  "
    assert back in capsys.readouterr().err
