"""The validator, pigeontrust and a bare uvloop prober on one sink with 50 ms a reply, interleaved in one run.

`python -m benchmarks.validator.speed [ROUNDS]` needs pigeontrust installed beside the validator. It
prints each measurement and, from the medians, the figures the validator promises; 1 if one is
missed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SMTP_PORT, DNS_PORT, DELAY = 10925, 10953, "0.05"
# Set: addresses, domains, sessions at once for the validator and the bare prober, least times pigeontrust.
# A session waits for 0.15 s, so these bear 3,300 and 13,000 addresses a second: the processor is the limit.
SETS = {"wide": (5_000, 5_000, 500, 10.0), "deep": (10_000, 1_000, 200, 4.0)}
PIGEONTRUST_WORKERS = 200


def measure(name: str, path: Path, concurrency: int) -> dict[str, Any]:
    """One contestant on one list, in a process of its own."""
    arguments = [name, str(SMTP_PORT), str(DNS_PORT), str(path), str(concurrency)]
    command = [sys.executable, "-m", "benchmarks.validator.probers", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def verdict(rounds: list[dict[str, dict[str, Any]]], least: float) -> dict[str, Any]:
    """Medians, and the promises kept or not."""
    rate = {name: statistics.median(r[name]["per_second"] for r in rounds) for name in rounds[0]}
    cpu = statistics.median(r["ours"]["cpu_ms_per_address"] for r in rounds)
    against_pigeontrust = rate["ours"] / rate["pigeontrust"]
    against_bare = rate["ours"] / rate["bare"]
    return {
        "per_second": rate,
        "times_pigeontrust": round(against_pigeontrust, 2),
        "share_of_bare": round(against_bare, 2),
        "cpu_ms_per_address": cpu,
        "bare_cpu_ms_per_address": statistics.median(r["bare"]["cpu_ms_per_address"] for r in rounds),
        "kept": {
            f"{least:g} x pigeontrust": against_pigeontrust >= least,
            "0.8 of bare": against_bare >= 0.8,
            "0.4 ms": cpu < 0.4,
        },
    }


def main() -> None:
    """Run all sets."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    sink_command = [sys.executable, "-m", "benchmarks.validator.sink", str(SMTP_PORT), str(DNS_PORT), DELAY]
    kept = True
    with (
        subprocess.Popen(sink_command, stdout=subprocess.PIPE) as sink,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            if sink.stdout is None or sink.stdout.readline() != b"ready\n":
                raise SystemExit("the sink does not start; is its port taken?")
            for name, (addresses, domains, sessions, least) in SETS.items():
                path = Path(folder, name)
                lines = (f"{'user' if i % 2 else 'gone'}{i}@d{i % domains}.test" for i in range(addresses))
                path.write_text("\n".join(lines))
                rounds: list[dict[str, dict[str, Any]]] = []
                for _ in range(count):
                    contestants = {"ours": sessions, "bare": sessions, "pigeontrust": PIGEONTRUST_WORKERS}
                    rounds.append({who: measure(who, path, number) for who, number in contestants.items()})
                    for result in rounds[-1].values():
                        print(json.dumps(result), flush=True)
                found = verdict(rounds, least)
                kept = kept and all(found["kept"].values())
                print(json.dumps({name: found}), flush=True)
        finally:
            sink.terminate()
    sys.exit(not kept)


if __name__ == "__main__":
    main()
