"""Messages as Telegram gets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.emulators.telegram_text import CAPTION_UNITS, TEXT_UNITS, understood
from notifier.messages import FILE_BYTES, PHOTO_BYTES, Alert, Attachment, MessageError, Method, Plain, Report
from notifier.render import MOST_PARTS, Rendered, Templates, compose

NOW = 1_795_514_520.0

ALERT = Alert(
    rule="bounce rate",
    value="6.2 %",
    limit="5 %",
    sample="312 messages in an hour",
    command="outreach pause n1 && echo <done>",
    source="n1",
)


def html(message: Alert | Report | Plain, templates: Path | None = None) -> str:
    return Templates(templates).render(message, "3efb2e", NOW).html


def test_an_alert_states_rule_value_limit_sample_and_what_to_run() -> None:
    assert html(ALERT).splitlines() == [
        "<b>⚠️ bounce rate</b>",
        "value: <b>6.2 %</b>",
        "limit: 5 %",
        "sample: 312 messages in an hour",
        "run: <code>outreach pause n1 &amp;&amp; echo &lt;done&gt;</code>",
        "<i>n1 · 2026-11-24 10:02 UTC · #3efb2e</i>",
    ]


def test_what_an_alert_does_not_know_is_left_out() -> None:
    assert html(Alert("disk", "99 %", "90 %")).splitlines() == [
        "<b>⚠️ disk</b>",
        "value: <b>99 %</b>",
        "limit: 90 %",
        "<i>2026-11-24 10:02 UTC · #3efb2e</i>",
    ]


def test_a_report_has_a_title_and_a_body() -> None:
    report = html(Report("Day <1>", "sent: 60,000\nbounced: 12"))
    assert report.startswith("<b>Day &lt;1&gt;</b>\n\nsent: 60,000\nbounced: 12\n\n<i>")


def test_plain_text_shows_as_it_stands() -> None:
    assert html(Plain("a < b & <b>c</b>")) == "a &lt; b &amp; &lt;b&gt;c&lt;/b&gt;"


def test_html_is_passed_through_if_it_is_valid() -> None:
    assert html(Plain("<b>bold</b>", html=True)) == "<b>bold</b>"


def test_invalid_html_is_sent_as_plain_text_and_said_so() -> None:
    rendered = Templates().render(Plain("<b>open", html=True), "x", NOW)
    assert rendered.html == "&lt;b&gt;open"
    assert "never closed" in rendered.remark


def test_a_team_may_have_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "alert.html").write_text("<b>Внимание: $rule</b>\n$value при пороге $limit\nhow: $command\n")
    assert (
        html(Alert("жалобы", "0.4 %", "0.3 %"), tmp_path) == "<b>Внимание: жалобы</b>\n0.4 % при пороге 0.3 %"
    )
    assert html(Report("t", "b"), tmp_path).startswith("<b>t</b>"), "the others keep theirs"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("$severity", r"template alert: cannot fill '\$severity'; there are \$rule, \$value"),
        ("cost: 5 $", "cannot fill"),
        ("<b>$rule", "template alert: <b> is never closed"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_clear_line(tmp_path: Path, template: str, says: str) -> None:
    (tmp_path / "alert.html").write_text(template)
    with pytest.raises(MessageError, match=says):
        html(ALERT, tmp_path)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (Plain(""), "the text is empty"),
        (Plain(" \n\t "), "the text is empty"),
        (Plain("<b> </b>", html=True), "the text is empty"),
        (Report("", "body"), "the title is empty"),
        (Plain("half \ud83d"), "no valid UTF-8"),
    ],
)
def test_a_message_that_says_nothing_is_not_sent(message: Plain | Report, says: str) -> None:
    with pytest.raises(MessageError, match=says):
        html(message)


def test_a_short_text_is_the_caption_of_its_file() -> None:
    letter = compose(
        Rendered("<b>chart</b>"), [Attachment("a.png", b"x", photo=True), Attachment("b.csv", b"x")]
    )
    assert [(part.method, part.html) for part in letter.parts] == [
        (Method.PHOTO, "<b>chart</b>"),
        (Method.DOCUMENT, ""),
    ]


def test_a_text_too_long_for_a_caption_goes_before_the_file() -> None:
    letter = compose(Rendered("x" * (CAPTION_UNITS + 1)), [Attachment("a.png", b"x", photo=True)])
    assert [part.method for part in letter.parts] == [Method.TEXT, Method.PHOTO]
    assert letter.parts[1].html == ""


def test_a_text_of_a_megabyte_becomes_a_file_with_its_beginning_as_caption() -> None:
    text = "слово " * (1_000_000 // 6)
    letter = compose(Rendered(text))
    (part,) = letter.parts
    assert part.attachment is not None
    assert part.attachment.data.decode() == text
    assert understood(part.html, "HTML", CAPTION_UNITS, "message caption").startswith("слово слово")
    assert "sent as a file" in letter.remark


def test_as_many_parts_as_a_group_takes_at_once_are_sent_as_text() -> None:
    letter = compose(Rendered("w" * (TEXT_UNITS - 10) * MOST_PARTS))
    assert [part.method for part in letter.parts] == [Method.TEXT] * MOST_PARTS


def test_a_picture_too_large_for_a_photo_goes_as_a_document() -> None:
    assert Attachment("a.png", bytes(PHOTO_BYTES), photo=True).method is Method.PHOTO
    assert Attachment("a.png", bytes(PHOTO_BYTES + 1), photo=True).method is Method.DOCUMENT


@pytest.mark.parametrize(
    ("size", "says"), [(0, "a.bin is empty"), (FILE_BYTES + 1, "a.bin has 50,000,001 bytes")]
)
def test_a_file_that_telegram_does_not_take_is_refused_at_once(size: int, says: str) -> None:
    with pytest.raises(MessageError, match=says):
        Attachment("a.bin", bytes(size))
