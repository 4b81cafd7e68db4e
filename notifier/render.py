"""A message as the parts that are sent: rendered from its template, cut, and joined to its files.

The templates are a few lines of Telegram's HTML with `$names`. A line whose names all have no value is left
out; that and escaping is all the logic there is, so a template engine would only be one more package on every
node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template

from notifier.markup import MarkupError, escape, parse, units
from notifier.messages import Attachment, Message, MessageError, Method, Plain
from notifier.split import CAPTION_UNITS, NUMBER_UNITS, TEXT_UNITS, first_part, split

MOST_PARTS = 10
"""A text of more parts goes as a file: 20 messages a minute is what a group takes, and alerts must not
wait."""


@dataclass(frozen=True)
class Part:
    """One request to Telegram; `html` is the message, or the caption of the file."""

    method: Method
    html: str
    attachment: Attachment | None = None


@dataclass(frozen=True)
class Rendered:
    """A message as Telegram's HTML, and a line on what could not be done as asked."""

    html: str
    remark: str = ""


@dataclass(frozen=True)
class Letter:
    """The requests that a message takes, in order, and a line on what could not be done as asked."""

    parts: tuple[Part, ...]
    remark: str = ""


class Templates:
    """The templates of the kinds of message; files in `directory` stand in for those of the same name."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def render(self, message: Message, event: str, now: float) -> Rendered:
        """The message as Telegram's HTML.

        Args:
            message: what to say.
            event: a short name by which people tell this message from its like.
            now: seconds since the epoch.

        Raises:
            MessageError: the text is empty or no Unicode, or a template cannot be used.
        """
        values = {name: value for name, value in asdict(message).items() if isinstance(value, str)}
        for name, value in values.items():
            _check(name, value)
        if isinstance(message, Plain):
            return _plain(message)
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
        origin = " · ".join(filter(None, (values.pop("source", ""), moment, f"#{event}")))
        return Rendered(_fill(message.template, self._lines(message.template), {**values, "origin": origin}))

    def _lines(self, name: str) -> Sequence[str]:
        own = None if self._directory is None else self._directory / f"{name}.html"
        try:
            if own is not None and own.exists():
                return own.read_text("utf-8").splitlines()
            return files("notifier").joinpath("templates", f"{name}.html").read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise MessageError(f"template {own or name}: {error}") from None


def compose(rendered: Rendered, attachments: Sequence[Attachment] = ()) -> Letter:
    """Cut a message into what Telegram takes.

    The text is the first file's caption if it is short enough, else it goes before the files; a very long one
    becomes a file itself, and its beginning the caption.

    Raises:
        MessageError: not even a file can hold the text.
    """
    marked = parse(rendered.html)
    length = units(marked.text)
    if length > MOST_PARTS * (TEXT_UNITS - NUMBER_UNITS):
        whole = Attachment("message.txt", marked.text.encode())
        remark = f"a text of {len(marked.text):,} characters: sent as a file"
        remarks = "; ".join(filter(None, (rendered.remark, remark)))
        return Letter(_files((whole, *attachments), first_part(marked, CAPTION_UNITS)), remarks)
    if attachments and length <= CAPTION_UNITS:
        return Letter(_files(attachments, marked.html()), rendered.remark)
    texts = tuple(Part(Method.TEXT, html) for html in split(marked))
    return Letter((*texts, *_files(attachments)), rendered.remark)


def _files(attachments: Sequence[Attachment], caption: str = "") -> tuple[Part, ...]:
    return tuple(
        Part(attachment.method, "" if index else caption, attachment)
        for index, attachment in enumerate(attachments)
    )


def _plain(message: Plain) -> Rendered:
    if not message.html:
        return Rendered(escape(message.text))
    try:
        if parse(message.text).text.strip():
            return Rendered(message.text)
    except MarkupError as error:
        return Rendered(escape(message.text), remark=f"invalid HTML ({error}): sent as plain text")
    raise MessageError("the text is empty")


def _fill(name: str, lines: Sequence[str], values: Mapping[str, str]) -> str:
    escaped = {key: escape(value.strip()) for key, value in values.items()}
    kept = []
    for line in lines:
        template = Template(line)
        names = template.get_identifiers()
        if not template.is_valid() or not set(names) <= set(escaped):
            known = ", ".join(f"${key}" for key in escaped)
            raise MessageError(f"template {name}: cannot fill {line.strip()!r}; there are {known}")
        if not names or any(escaped[key] for key in names):
            kept.append(template.substitute(escaped))
    html = "\n".join(kept).strip()
    try:
        parse(html)
    except MarkupError as error:
        raise MessageError(f"template {name}: {error}") from None
    return html


def _check(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MessageError(f"the {name} is no valid UTF-8; send it with --document") from None
    if name in ("text", "rule", "title") and not value.strip():
        raise MessageError(f"the {name} is empty")
