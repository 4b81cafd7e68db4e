"""The probe as one script: its modules in one text, which a host's python3 reads from standard input."""

from __future__ import annotations

from pathlib import Path

MODULES = ("asked", "commands", "tls", "machine", "mail", "tools", "engine", "n8n", "main")
"""Of :mod:`status.probe`; each comes after those that it imports."""

_SCRIPT = """import sys, types
for name, text in {sources!r}.items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(text, name, "exec"), module.__dict__)
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
sys.modules["status.probe.main"].main(sys.argv[1])
"""


def script() -> str:
    """The whole text; its one argument is what is asked, see :mod:`status.probe.main`."""
    folder = Path(__file__).with_name("probe")
    sources = {"status": "", "status.probe": ""} | {
        f"status.probe.{name}": (folder / f"{name}.py").read_text(encoding="utf-8") for name in MODULES
    }
    return _SCRIPT.format(sources=sources)
