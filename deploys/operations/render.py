"""Templates to text: every file that a deploy renders is one of ``templates/<service>/``."""

from __future__ import annotations

from pathlib import Path

import jinja2

ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[2] / "templates"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701 - configuration files, not HTML
)


def render(template: str, **context: object) -> str:
    """Render one template.

    Args:
        template: path below ``templates/`` without its ``.j2``: ``postfix/main.cf``.
        context: every name the template uses.

    Raises:
        jinja2.TemplateError: for a missing template, a mistake in it, or a name that was not given.
    """
    return ENVIRONMENT.get_template(f"{template}.j2").render(context)
