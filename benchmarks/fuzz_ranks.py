"""Runs of several ranks, damaged: every command over each, the laws held, memory and time bounded.

python -m benchmarks.fuzz_ranks [--inputs 100000] [--seed 0] [--memory-gib 1] [--longest-s 60]

Each input is a folder of 1 to 3 ranks and run.json with up to five damages (tests/hostile/mutations.py). It
is analyzed, told as JSON and text, held against the laws (tests/hostile/laws.py), and one more command by
chance runs over it. The process may take that much memory beyond what it holds at the start, and an input
that many seconds of the CPU. A fault is kept as a folder, one of each kind; the exit code is 1 where there
was one. Ctrl-C and SIGTERM end a run and have it tell what it did.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

from tests.hostile.commands import Commands, written
from tests.hostile.mutations import damaged_run


def main() -> int:
    """Fuzz and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--memory-gib", type=float, default=1.0)
    parser.add_argument("--longest-s", type=int, default=60)
    asked = parser.parse_args()
    signal.signal(signal.SIGPROF, _too_long)
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    warnings.simplefilter("error")
    counts, faults = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        commands = Commands(Path(scratch))
        gc.freeze()  # the modules, half of the objects: the collector need not look at them for each input
        limit_memory(int(asked.memory_gib * (1 << 30)))
        for number in range(asked.inputs):
            chance = random.Random(f"{asked.seed}/{number}")
            folder = written(Path(scratch) / "run", damaged_run(chance))
            signal.setitimer(signal.ITIMER_PROF, asked.longest_s)
            try:
                counts[commands.outcome(folder, chance)] += 1
            except KeyboardInterrupt:
                break
            except Exception:  # noqa: BLE001 - every fault is kept, whatever it is
                kind = _kind_of(sys.exc_info()[1])
                if not faults[kind]:
                    _keep(folder, f"{asked.seed}-{number}")
                faults[kind] += 1
            signal.setitimer(signal.ITIMER_PROF, 0)
            if (number + 1) % 1000 == 0:
                _tell(counts, faults)
    _tell(counts, faults)
    return 1 if faults else 0


def limit_memory(bytes_more: int) -> None:
    """Allow this process so many bytes beyond its present address space."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + bytes_more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _too_long(*_: object) -> None:
    raise TimeoutError("an input took too long")


def _kind_of(error: BaseException | None) -> str:
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    last = [frame for frame in frames if "commscope" in frame.filename or "hostile" in frame.filename][-1:]
    return f"{type(error).__name__} in {' '.join(f'{Path(one.filename).name}:{one.lineno}' for one in last)}"


def _keep(folder: Path, name: str) -> None:
    traceback.print_exc()
    kept = Path(tempfile.gettempdir()) / f"commscope-fuzz-ranks-{name}"
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    print(f"kept at {kept}", file=sys.stderr, flush=True)


def _tell(counts: Counter[str], faults: Counter[str]) -> None:
    done = counts.total() + faults.total()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    spent_s = round(time.process_time())
    told = f"{done} inputs: {dict(counts)}; faults {dict(faults)}; peak {peak_mib} MiB; {spent_s} CPU s"
    print(time.strftime("%H:%M:%S"), told, flush=True)


if __name__ == "__main__":
    sys.exit(main())
