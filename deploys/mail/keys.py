"""Reading the public halves of the keys that were born on a node."""

from __future__ import annotations

import shlex

from pyinfra.api.facts import FactBase


class PublicKeys(FactBase[dict[str, str]]):
    """Base64 of the SubjectPublicKeyInfo of some private keys, by path; a missing key is missing here too."""

    def command(self, paths: tuple[str, ...]) -> str:
        """One line a key: path, then base64."""
        public = '$(openssl pkey -in "$key" -pubout -outform DER | base64 -w0)'
        paths_quoted = " ".join(map(shlex.quote, paths))
        return f'for key in {paths_quoted}; do [ -e "$key" ] && echo "$key {public}"; done; echo end'

    def process(self, output: list[str]) -> dict[str, str]:
        """Parse it."""
        return dict(line.split() for line in output if line != "end")
