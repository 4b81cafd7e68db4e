"""A person's name as the local part of an address."""

from __future__ import annotations

import unicodedata

_LETTERS = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ø": "oe",
        "æ": "ae",
        "œ": "oe",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
    }
)
"""Letters that addresses usually spell otherwise than by dropping their mark, or that have none to drop."""


def local_part(name: str) -> str:
    """Spell a name as a local part: 'Anna Berg' is `anna.berg`, 'Zoë O'Neill-Müller' is `zoe.oneill-mueller`.

    What cannot be spelled in a to z stays as it is, so that the caller's check of local parts names it.
    """
    spelled = unicodedata.normalize("NFC", name).casefold().translate(_LETTERS)
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(letter)
    )
    return ".".join(word.strip(".") for word in plain.replace("'", "").replace("’", "").split())
