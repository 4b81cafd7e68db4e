"""How long 100,000 accounts over 700 nodes take to read, check and allocate, and in how much memory.

    .venv/bin/python benchmarks/fleet_size.py [RUNS]

Each run is a process of its own, so that its peak memory is its own. The time starts after the imports; the
memory includes them. Two ways of writing the same fleet: mailboxes made from a list of names, or spelled out.
Last, what one sha512-crypt hash of an account's password costs, since a plan hashes every account of a node.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploys.secrets import password_hash
from inventory import allocate, load_fleet

NODES = 700
DOMAINS = 3_400
PER_DOMAIN = 30
HASHES = 150

_HEAD = f"""\
version: 1
name: large
infra_domain: infra.example
sender: {{legal_name: Example GmbH, postal_address: "Musterstrasse 1, 10115 Berlin"}}
operators: {{addresses: [192.0.2.10/32]}}
nodes:
  - {{name: n, count: {NODES}}}
dns: {{account: 0123456789abcdef0123456789abcdef}}
"""


def generated() -> str:
    """A fleet whose mailboxes are made from a list of names."""
    names = "".join(f"    - Anna Berg {index}\n" for index in range(PER_DOMAIN))
    domains = "".join(f"  - d{index}.example\n" for index in range(DOMAINS))
    return f"{_HEAD}accounts:\n  per_domain: {PER_DOMAIN}\n  names:\n{names}domains:\n{domains}"


def explicit() -> str:
    """The same fleet with each mailbox spelled out."""
    boxes = "".join(f"      anna.berg.{index}: Anna Berg {index}\n" for index in range(PER_DOMAIN))
    return f"{_HEAD}domains:\n" + "".join(
        f"  - name: d{index}.example\n    accounts:\n{boxes}" for index in range(DOMAINS)
    )


def measure(path: Path) -> dict[str, float]:
    """Read, check, allocate and walk every account of one file, in this process."""
    start = time.perf_counter()
    fleet = load_fleet(path)
    loaded = time.perf_counter()
    accounts = sum(1 for _ in allocate(fleet).accounts())
    return {
        "accounts": accounts,
        "load": loaded - start,
        "allocate": time.perf_counter() - loaded,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(runs: int) -> None:
    """Print the median of each figure over `runs` processes a fleet."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("names", generated()), ("explicit", explicit())):
            path = Path(folder) / f"{name}.yaml"
            path.write_text(text, encoding="utf-8")
            results = [_in_a_process(path) for _ in range(runs)]
            median = {key: statistics.median(result[key] for result in results) for key in results[0]}
            print(
                f"{name:9} {median['accounts']:,.0f} accounts, {NODES} nodes, {len(text) / 2**20:.1f} MiB: "
                f"load {median['load']:.2f} s, allocate and walk {median['allocate']:.2f} s, "
                f"peak {median['peak_mb']:.0f} MB (median of {runs})"
            )
    secret = b"x" * 32
    start = time.perf_counter()
    for index in range(HASHES):
        password_hash(secret, f"a{index}@example.com")
    each = (time.perf_counter() - start) / HASHES
    print(f"hash      {HASHES} accounts {each * HASHES:.2f} s, 5,000 accounts {each * 5000:.1f} s")


def _in_a_process(path: Path) -> dict[str, float]:
    run = subprocess.run(
        [sys.executable, __file__, "--measure", str(path)], check=True, stdout=subprocess.PIPE
    )
    result: dict[str, float] = json.loads(run.stdout)
    return result


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
