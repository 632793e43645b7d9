"""What reading costs: one trace replicated to size, read by us, by peers and by plain tools, interleaved,
each in its own process.

    python -m benchmarks.readers --events 100000 1000000 --repeat 5
    python -m benchmarks.readers --events 5000000 --repeat 5       (some 45 minutes; each run told on stderr)

Peers live in `.bench-venv`, made on first use. `load and breakdown` is: read the file, then the unions of
compute and communication and their intersection; `reading` is the first part of it, where a way has parts.
Imports are not counted. Numbers are medians; quote ratios, not seconds. Files under 4 MB are not cached.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

CHECKOUT = Path(__file__).resolve().parents[1]
TRACE = CHECKOUT.parent / "shared" / "traces" / "hta" / "nccl_data.json.gz"
BENCH_VENV = CHECKOUT / ".bench-venv"
PEERS = {"hta": "HolisticTraceAnalysis"}
ID_STEP = 10_000_000
OURS, CACHED = "commscope, JSON", "commscope, cache"

_MEASURE = """
import json, resource, sys, time
{setup}
started, cpu = time.perf_counter(), time.process_time()
{work}
wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
children = resource.getrusage(resource.RUSAGE_CHILDREN)
peak_kb = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("RESULT" + json.dumps({{
    "read_s": globals().get("read_s", wall_s), "wall_s": wall_s,
    "cpu_s": cpu_s + children.ru_utime + children.ru_stime, "rss_mb": peak_kb / 1024}}))
"""
_OURS_SETUP = """
import os
os.environ["COMMSCOPE_NO_CACHE"] = "{no_cache}"
from pathlib import Path
import numpy as np
from commscope.readers import open_run, read_rank
def union(chosen):
    start, end = np.sort(events.start_ns[chosen]), np.sort(events.end_ns[chosen])
    breaks = np.flatnonzero(start[1:] > end[:-1])
    first = start[np.concatenate(([0], breaks + 1))] if len(start) else start
    last = end[np.concatenate((breaks, [len(end) - 1]))] if len(end) else end
    return int((last - first).sum())
"""
_CACHED_SETUP = (
    _OURS_SETUP.format(no_cache="") + "import pandas, pyarrow.parquet  # pyarrow imports pandas by itself"
)
_OURS = """
run = open_run(Path(r"{path}"))
events = read_rank(run.parts[0], run.info).events
read_s = time.perf_counter() - started
rows = np.flatnonzero(events.on_device())
talks = np.array(["nccl" in name.lower() for name in events.names])[events.name_id[rows]]
compute, communication, both = union(rows[~talks]), union(rows[talks]), union(rows)
print("compute", compute, "communication", communication, "overlapped", compute + communication - both)
"""
_HTA_SETUP = "from hta.trace_analysis import TraceAnalysis"
_HTA = """
analysis = TraceAnalysis(trace_files={{0: r"{path}"}}, trace_dir=r"{folder}")
analysis.get_temporal_breakdown(visualize=False)
analysis.get_comm_comp_overlap(visualize=False)
"""
_JSON_SETUP = "import gzip, json"
_JSON = """
with gzip.open(r"{path}", "rb") as file:
    value = json.loads(file.read())
"""
_GUNZIP_SETUP = "import subprocess"
_GUNZIP = """
subprocess.run(["gunzip", "-c", r"{path}"], stdout=subprocess.DEVNULL, check=True)
"""


@dataclass(frozen=True)
class Way:
    """One way of reading."""

    name: str
    python: Path
    setup: str  # imports, not measured
    work: str


def ways(path: Path, peers: list[str]) -> list[Way]:
    """All ways for one file."""
    ours, folder = Path(sys.executable), path.parent
    found = [
        Way(OURS, ours, _OURS_SETUP.format(no_cache="1"), _OURS.format(path=path)),
        Way(CACHED, ours, _CACHED_SETUP, _OURS.format(path=path)),
        Way("json.loads", ours, _JSON_SETUP, _JSON.format(path=path)),
        Way("gunzip alone", ours, _GUNZIP_SETUP, _GUNZIP.format(path=path)),
    ]
    if "hta" in peers:
        work = _HTA.format(path=path, folder=folder)
        found.append(Way("HolisticTraceAnalysis", peer_python("hta"), _HTA_SETUP, work))
    return found


def peer_python(peer: str) -> Path:
    """The interpreter of the peers' environment, with the peer in it."""
    python = BENCH_VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(BENCH_VENV)], check=True)
    known = subprocess.run([python, "-c", f"import {peer}"], capture_output=True, check=False)
    if known.returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEERS[peer]], check=True)
    return python


def measure(way: Way) -> dict[str, float]:
    """Wall and CPU seconds and peak memory of one run in a process of its own."""
    script = _MEASURE.format(setup=way.setup, work=way.work)
    done = subprocess.run(
        [way.python, "-c", script], capture_output=True, text=True, cwd=CHECKOUT, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if done.returncode or not lines:
        raise SystemExit(f"{way.name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(lines[0].removeprefix("RESULT"))
    return result


def replicate(source: Path, target: Path, events: int) -> int:
    """Copies of a real trace one after another, with times and ids shifted, to about `events` events."""
    with gzip.open(source, "rb") as file:
        trace = msgspec.json.decode(file.read())
    body = [event for event in trace.pop("traceEvents") if event.get("cat") != "Trace"]
    timed = [event for event in body if "ts" in event]
    first = min(event["ts"] for event in timed)
    span = max(event["ts"] + event.get("dur", 0) for event in timed) - first + 1000
    copies = max(1, round(events / len(body)))
    with gzip.open(target, "wb", compresslevel=3) as file:
        file.write(msgspec.json.encode(trace)[:-1] + b',\n"traceEvents": [\n')
        for copy in range(copies):
            lines = [msgspec.json.encode(event) for event in _shifted(body, copy, span)]
            file.write((b",\n" if copy else b"") + b",\n".join(lines))
        file.write(b"\n]}\n")
    return copies * len(body)


def _shifted(body: list[dict[str, Any]], copy: int, span: float) -> Iterator[dict[str, Any]]:
    for event in body:
        moved = dict(event)
        if "ts" in event:
            moved["ts"] = round(event["ts"] + copy * span, 3)
        if "id" in event:
            moved["id"] = event["id"] + copy * ID_STEP
        args = event.get("args")
        if args:
            ids = {key: args[key] + copy * ID_STEP for key in ("correlation", "External id") if key in args}
            moved["args"] = {**args, **ids}
        yield moved


def table(events: int, size_bytes: int, results: dict[str, list[dict[str, float]]]) -> str:
    """Medians and ratios as markdown."""
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in results.items()
    }
    ours = medians[OURS]
    runs = len(next(iter(results.values())))
    lines = [
        f"\n{events:,} events, {size_bytes / 1e6:,.0f} MB of JSON, {runs} runs each",
        "",
        "| way | reading s | wall s | CPU s | peak RSS MB | reading / commscope's | wall / commscope's |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {m['read_s']:.2f} | {m['wall_s']:.2f} | {m['cpu_s']:.2f} | {m['rss_mb']:.0f} "
        f"| {m['read_s'] / ours['read_s']:.3f} | {m['wall_s'] / ours['wall_s']:.2f} |"
        for name, m in sorted(medians.items(), key=lambda item: item[1]["wall_s"])
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trace", type=Path, default=TRACE, help="a real Kineto trace, gzipped")
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=["hta"], choices=list(PEERS))
    chosen = parser.parse_args()
    if not chosen.trace.is_file():
        raise SystemExit(f"no trace at {chosen.trace}: name one with --trace")
    with tempfile.TemporaryDirectory() as folder:
        for wanted in chosen.events:
            path = Path(folder) / f"rank0_{wanted}.json.gz"
            events = replicate(chosen.trace, path, wanted)
            with gzip.open(path, "rb") as file:
                size = sum(len(block) for block in iter(lambda: file.read(1 << 20), b""))
            all_ways = ways(path, chosen.peers)
            measure(next(way for way in all_ways if way.name == CACHED))
            results: dict[str, list[dict[str, float]]] = {way.name: [] for way in all_ways}
            for _ in range(chosen.repeat):
                for way in all_ways:
                    results[way.name].append(measure(way))
                    print(way.name, results[way.name][-1], file=sys.stderr, flush=True)
            print(table(events, size, results), flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
