"""The dashboard under 50 clients for a minute: requests, errors, memory, lines in the log.

python -m benchmarks.dashboard_load [--clients 50] [--seconds 60]

Serves two hand-made runs in a process of its own. Each client asks pages, callbacks with changing selections
and, one time in ten, something malformed. Prints memory every ten seconds; exit code 1 where a good request
failed, a bad one was a failure of the server, or the log did not grow by one line a bad request.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from tests.dashboard.web.asking import UPDATE, figure_body, part_body, running, small_app

PATHS = ("/", "/run", "/collectives", "/path", "/doctor", "/_dash-layout", "/_dash-dependencies")


def main() -> int:
    """Ask, and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    log = Path(tempfile.mkdtemp()) / "log"
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs, str(log)), daemon=True)
    server.start()
    url = mine.recv()
    counts = Counter[str]()
    until = time.monotonic() + asked.seconds
    clients = [threading.Thread(target=_ask, args=(url, n, until, counts)) for n in range(asked.clients)]
    for client in clients:
        client.start()
    while time.monotonic() < until:
        print(f"{_memory_mib(server.pid or 0)} MiB after {sum(counts.values())} requests", flush=True)
        time.sleep(10)
    for client in clients:
        client.join()
    lines = len(log.read_text(encoding="utf-8").splitlines())
    print(f"{dict(counts)}; {_memory_mib(server.pid or 0)} MiB; {lines} lines in the log")
    server.terminate()
    return 0 if counts["failed"] == 0 and lines == counts["refused"] else 1


def _serve(pipe: object, log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(descriptor, 2)
    with running(small_app()) as url:
        pipe.send(url)  # type: ignore[attr-defined]
        threading.Event().wait()


def _ask(url: str, number: int, until: float, counts: Counter[str]) -> None:
    chance = random.Random(number)
    while time.monotonic() < until:
        is_bad = chance.random() < 0.1
        query = {
            "rank": chance.randrange(3),
            "step": f"step {chance.randrange(10**6)}",
            "latency": chance.random(),
        }
        body = b"{" if is_bad else json.dumps(chance.choice((part_body, figure_body))(**query)).encode()
        request = urllib.request.Request(
            url + UPDATE, data=body, headers={"Content-Type": "application/json"}
        )
        if not is_bad and chance.random() < 0.5:
            request = urllib.request.Request(f"{url}{chance.choice(PATHS)}?rank={number}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
            counts["failed" if is_bad else "answered"] += 1
        except urllib.error.HTTPError as error:
            counts["refused" if is_bad and 400 <= error.code < 500 else "failed"] += 1
        except OSError:
            counts["failed"] += 1


def _memory_mib(process: int) -> int:
    told = Path(f"/proc/{process}/status").read_text(encoding="ascii").split("VmRSS:")[1]
    return int(told.split()[0]) >> 10


if __name__ == "__main__":
    sys.exit(main())
