"""Attacks on files of ours: one-bit flips of slim runs and caches, and kills of what replaces files.

    python -m benchmarks.own_files --flips 1000 --kills 50

A flip counts as silent where the numbers are others and nothing says so. A kill loses bytes where a file that
was there before is neither as it was nor as it should be after. docs/security.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from commscope_dashboard.runs import loading

from commscope.analysis.result import Analysis
from commscope.engine import analyze, kept
from commscope.engine.packing import plain_bytes
from commscope.errors import CommScopeError
from commscope.readers import open_run, read_rank, slim
from commscope.readers.files.user_cache import OFF, user_cache
from commscope.readers.slim import cache
from commscope.report.contract import analysis_document, dumps
from commscope.trace import Run

SAVED = Path(__file__).resolve().parents[1] / "traces" / "gpt-tp2"
OTHER = SAVED.with_name("gpt-tp2-sp")
# What `record --force` does around its ranks, which are too slow to be killed often.
_RECORD = """
import sys
from pathlib import Path
from commscope.record.handover.facts import RankFacts, write_facts
from commscope.record.handover.output import beside_the_old, finish, prepare_output
from commscope.record.handover.request import RecordRequest
asked = RecordRequest(Path(sys.argv[1]), script=("x.py",), force=True)
request = beside_the_old(asked, is_alone=True)
prepare_output(request)
(request.output / "rank0.json.gz").write_bytes(b"new" * 500_000)
write_facts(request.work_folder, RankFacts(0, 1, "gloo", True))
finish(request)
"""


def flipped(data: bytes, chance: random.Random) -> bytes:
    """The same with one bit the other way."""
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def numbers(analysis: Analysis) -> str:
    """Everything an analysis says but its gaps."""
    document = analysis_document(analysis)
    del document["gaps"]
    return dumps(document)


def flip_slim(rounds: int, chance: random.Random, place: Path) -> Counter[str]:
    """Answers from slim runs with one flipped bit."""
    run = place / "slim"
    slim(open_run(SAVED), run)
    whole = numbers(analyze(open_run(run), jobs=1))
    files = {file: file.read_bytes() for file in run.iterdir()}
    found: Counter[str] = Counter()
    for _ in range(rounds):
        file = chance.choice(sorted(files))
        file.write_bytes(flipped(files[file], chance))
        try:
            analysis = analyze(open_run(run), jobs=1)
            is_same, is_told = numbers(analysis) == whole, any(gap.is_damage for gap in analysis.gaps)
            found["same numbers" if is_same else "told beside them" if is_told else "SILENT"] += 1
        except CommScopeError:
            found["refused"] += 1
        file.write_bytes(files[file])
    return found


def flip_caches(rounds: int, chance: random.Random, place: Path) -> Counter[str]:
    """What is read where an entry of a trace, of a rank's answer, or of the dashboard has one flipped bit."""
    os.environ["COMMSCOPE_CACHE"] = str(place / "cache")
    os.environ.pop(OFF, None)
    cache.WORTH_BYTES = 1
    run = open_run(SAVED)
    packed = loading.PACKING.packed(loading.read_path(SAVED))
    kinds = {"trace": _trace_of(run), "rank": _rank_of(run)}
    entries = {kind: next((place / "cache" / f"{kind}s").iterdir()) for kind in kinds}
    whole = {kind: entry.read_bytes() for kind, entry in entries.items()}
    found: Counter[str] = Counter()
    for _ in range(rounds // 3):
        for kind, read in kinds.items():
            damaged = flipped(whole[kind], chance)
            entries[kind].write_bytes(damaged)
            is_same, is_anew = read(), entries[kind].read_bytes() != damaged
            found[
                f"{kind}: made anew" if is_same and is_anew else f"{kind}: same" if is_same else "SILENT"
            ] += 1
        is_refused = loading.PACKING.unpacked(flipped(packed, chance)) is None
        found["dashboard: made anew" if is_refused else "SILENT"] += 1
    return found


def _trace_of(run: Run) -> Callable[[], bool]:
    """Whether a rank is read as it is."""
    truth = read_rank(run.parts[0], run.info)
    part = replace(run.parts[0], reader="kineto")

    def read() -> bool:
        got = cache.read_cached(part, run.info, lambda *_: truth)
        return repr(got) == repr(truth) and bool((got.events.end_ns == truth.events.end_ns).all())

    read()
    return read


def _rank_of(run: Run) -> Callable[[], bool]:
    """Whether a rank's answer is what it would be without a cache."""
    truth = plain_bytes(kept.analyze_part(run.parts[0], run.info))
    folder = user_cache(kept.KIND)
    assert folder is not None
    place = kept.Kept(folder, "benchmark")

    def read() -> bool:
        return plain_bytes(kept.analyze_kept(run.parts[0], run.info, place)) == truth

    read()
    return read


def contents(folder: Path) -> dict[str, bytes]:
    """Every visible file below a folder."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def kill(rounds: int, chance: random.Random, folder: Path, make: Callable[[], list[str]]) -> Counter[str]:
    """Kill a command at a random moment; afterwards the folder is all of the old or all of the new."""
    before = contents(folder)
    started = time.monotonic()
    subprocess.run(make(), check=True, capture_output=True)
    longest_s = time.monotonic() - started
    after = contents(folder)
    found: Counter[str] = Counter()
    for _ in range(rounds):
        shutil.rmtree(folder)
        for name, data in before.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        process = subprocess.Popen(make(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1.1) * longest_s)
        process.kill()
        process.wait()
        found[_left(contents(folder), before, after)] += 1
    return found


def _left(now: dict[str, bytes], before: dict[str, bytes], after: dict[str, bytes]) -> str:
    if now == before:
        return "all of the old"
    is_new = now.keys() == after.keys() and all(len(now[name]) for name in now)
    others = all(now.get(name) == data for name, data in before.items() if name.startswith("mine"))
    return "all of the new" if is_new and others else "LOST"


def kills(rounds: int, chance: random.Random, place: Path) -> dict[str, Counter[str]]:
    """Kills of the three commands that replace files."""
    out, run, baseline = place / "out", place / "run", place / "baseline"
    slim(open_run(OTHER), out)
    (out / "mine.txt").write_text("mine")
    (run / "mine").mkdir(parents=True)
    for name in ("rank0.json.gz", "rank1.json.gz", "run.json", "mine/notes"):
        (run / name).write_text("old")
    shutil.copytree(SAVED, baseline / "gpt-tp2")
    command = [sys.executable, "-m", "commscope"]
    update = [*command, "check", str(SAVED), "--baseline", str(baseline), "--update-baseline"]
    return {
        "slim --force": kill(
            rounds, chance, out, lambda: [*command, "slim", str(SAVED), "-o", str(out), "--force"]
        ),
        "record --force, stand-in": kill(
            rounds, chance, run, lambda: [sys.executable, "-c", _RECORD, str(run)]
        ),
        "check --update-baseline": kill(rounds, chance, baseline / "gpt-tp2", lambda: update),
    }


def main() -> int:
    """Print what happened to each; 1 where numbers were silently others, or bytes were lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=12)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    results: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        if options.flips:
            results["flips of a slim run"] = flip_slim(options.flips, chance, Path(name))
            results["flips of caches"] = flip_caches(options.flips, chance, Path(name))
        if options.kills:
            results |= kills(options.kills, chance, Path(name))
    for what, found in results.items():
        print(f"{what}: " + ", ".join(f"{word} {count}" for word, count in sorted(found.items())))
    return int(any(word in ("SILENT", "LOST") for found in results.values() for word in found))


if __name__ == "__main__":
    sys.exit(main())
