"""Many recordings of ordinary scripts, and recordings ended at random moments: what hangs, crashes, lives on.

Run: python -m benchmarks.endurance [--part ddp|profiler|spawn|ended] [--times N]. A line a part: how often it
hung, crashed or left a process, or left something half-written that looks whole.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from commscope.engine import analyze
from commscope.readers import open_run
from tests.record.foreign import DDP, OWN_PROFILER, SPAWN

MARK = "COMMSCOPE_ENDURANCE"  # in the environment of a recording and of all that comes from it
PATIENCE_S = 300.0
GONE_S = 15.0  # for the processes of a recording that was ended
TIMES = {"ddp": 100, "profiler": 20, "spawn": 20, "ended": 50}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def main() -> None:
    """Print one line a part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=TIMES, action="append", help="only this; again for more")
    parser.add_argument("--times", type=int, help="instead of the usual number")
    options = parser.parse_args()
    for part in options.part or TIMES:
        times = options.times or TIMES[part]
        found: Counter[str] = Counter()
        for attempt in range(times):
            with tempfile.TemporaryDirectory() as folder:
                outcome = PARTS[part](Path(folder))
            found[outcome] += 1
            if outcome != "fine":
                print(f"{part} {attempt}: {outcome}", flush=True)
        told = ", ".join(f"{count} {outcome}" for outcome, count in found.most_common())
        print(f"{part}: {times} recordings: {told}", flush=True)


def ddp(folder: Path) -> str:
    """DDP held by a function, to its own end."""
    return whole(folder, DDP)


def profiler(folder: Path) -> str:
    """A script that uses torch.profiler itself."""
    return whole(folder, OWN_PROFILER)


def spawn(folder: Path) -> str:
    """A script that starts its ranks itself is refused at once, and leaves nothing."""
    code, mark = recorded(folder, SPAWN)
    if code is None:
        return "hung"
    return "not refused" if code == 0 else gone(mark) or "fine"


def ended(folder: Path) -> str:
    """A recording ended at a random moment by one of three signals."""
    mark = uuid.uuid4().hex
    process = started(folder, DDP, mark)
    time.sleep(random.uniform(0.0, 16.0))
    process.send_signal(random.choice(SIGNALS))
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        return end(process, mark)
    return gone(mark) or half_written(folder / "run") or "fine"


PARTS: dict[str, Callable[[Path], str]] = {"ddp": ddp, "profiler": profiler, "spawn": spawn, "ended": ended}


def whole(folder: Path, code: str) -> str:
    """Record to the end: fine where it ended well, left no process and every collective is matched."""
    status, mark = recorded(folder, code)
    if status is None:
        return "hung"
    if status:
        return f"exit {status}"
    matching = analyze(open_run(folder / "run")).matching
    if matching.matched < matching.instances or not matching.instances:
        return "unmatched"
    return gone(mark) or half_written(folder / "run") or "fine"


def recorded(folder: Path, code: str) -> tuple[int | None, str]:
    """Exit code (None: it hung, and was ended) and mark of a recording."""
    mark = uuid.uuid4().hex
    process = started(folder, code, mark)
    try:
        return process.wait(PATIENCE_S), mark
    except subprocess.TimeoutExpired:
        end(process, mark)
        return None, mark


def started(folder: Path, code: str, mark: str) -> subprocess.Popen[bytes]:
    """A recording of two ranks, seven steps, without --stop."""
    script = folder / "train.py"
    script.write_text(code, encoding="utf-8")
    options = ["--nproc", "2", "--steps", "2", "--warmup", "2", "--timeout", "60", "-o", str(folder / "run")]
    return subprocess.Popen(
        [sys.executable, "-m", "commscope", "record", *options, "--", str(script)],
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def end(process: subprocess.Popen[bytes], mark: str) -> str:
    """End what hung, and say where its processes stood."""
    for pid in alive(mark):
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:90]
        print(f"  {pid} {words[0]} {int(words[11]) + int(words[12])} ticks: {command}", flush=True)
    for pid in [process.pid, *alive(mark)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    return "hung"


def gone(mark: str) -> str:
    """Nothing once all processes are gone, which may take a moment."""
    deadline = time.monotonic() + GONE_S
    while left := alive(mark):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            return "lives on"
        time.sleep(0.2)
    return ""


def alive(mark: str) -> list[int]:
    """Processes that have the mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


def half_written(run: Path) -> str:
    """Nothing where every trace is whole, and run.json says complete only where all are there."""
    traces = sorted(run.glob("rank*.json.gz"))
    for trace in traces:
        try:
            msgspec.json.decode(gzip.decompress(trace.read_bytes()))
        except (OSError, EOFError, msgspec.DecodeError):
            return "half a trace"
    manifest = run / "run.json"
    said = manifest.exists() and msgspec.json.decode(manifest.read_bytes())["complete"]
    return "complete without its traces" if said and len(traces) < 2 else ""


if __name__ == "__main__":
    main()
