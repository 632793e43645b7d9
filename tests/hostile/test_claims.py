"""A size that input claims is never allocated: whatever is in 1 MB, the answer takes less than 1 GiB."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests.hostile.commands import written
from tests.hostile.seeds import Document, seed_run
from tests.readers.chrome_files import kernel

GIB = 1 << 30
MEGABYTE = 1_000_000
HUGE = 2_000_000_000


def spoken(run: dict[str, Document]) -> dict[str, bytes]:
    return {name: json.dumps(document).encode() for name, document in run.items()}


def huge_world() -> dict[str, bytes]:
    run = seed_run("gloo", 2)
    for rank in (0, 1):
        run[f"rank{rank}.json"]["distributedInfo"] = {"backend": "gloo", "rank": rank, "world_size": HUGE}
        for event in run[f"rank{rank}.json"]["traceEvents"]:
            if event["name"] == "c10d::allreduce_":
                event["name"] = "c10d::reduce_scatter_"
    del run["run.json"]
    return spoken(run)


def huge_manifest() -> dict[str, bytes]:
    run = seed_run("nccl", 2)
    run["run.json"]["world_size"] = HUGE
    return spoken(run)


def largest_world_believed() -> dict[str, bytes]:
    run = seed_run("nccl", 2)
    run["run.json"]["world_size"] = 1 << 20
    return spoken(run)


def groups_of_the_world() -> dict[str, bytes]:
    run = seed_run("nccl", 1)
    rows = [{"pg_name": str(n), "pg_size": 1 << 20} for n in range(MEGABYTE // 45)]
    info = {"backend": "nccl", "rank": 0, "world_size": 1 << 20, "pg_config": rows}
    run["rank0.json"]["distributedInfo"] = info
    return spoken(run)


def groups_in_steps(same: bool) -> dict[str, bytes]:
    run = seed_run("nccl", 1)
    for n in range(MEGABYTE // 350):
        facts = {"Collective name": "allreduce", "In msg nelems": 4, "dtype": "Float", "Group size": 1 << 17,
                 "Global rank start": 0 if same else n, "Global rank stride": 1, "Process Group Ranks": "[0, ...]" if same else f"[{n}, ...]"}  # fmt: skip
        run["rank0.json"]["traceEvents"].append(kernel("ncclDevKernel_AllReduce()", n, 1, stream=20, **facts))
    return spoken(run)


def bomb_of_gzip() -> dict[str, bytes]:
    event = json.dumps(kernel("gemm", 5, 1)).encode()
    text = b'{"traceEvents": [' + b",".join([event] * (900_000_000 // len(event))) + b"]}"
    return {"rank0.json.gz": gzip.compress(text, 9)[:MEGABYTE]}


def many_layers() -> dict[str, bytes]:
    run = seed_run("nccl", 2)
    run["run.json"]["model"]["layers"] = run["run.json"]["model"]["microbatches"] = HUGE
    return spoken(run)


def brackets(piece: bytes) -> dict[str, bytes]:
    return {"rank0.json": b'{"traceEvents": [' + piece * (MEGABYTE // len(piece))}


@pytest.mark.slow
@pytest.mark.parametrize(
    "files",
    [
        pytest.param(huge_world, id="a world of two thousand million ranks"),
        pytest.param(huge_manifest, id="the same in run.json"),
        pytest.param(largest_world_believed, id="the largest world that is believed"),
        pytest.param(groups_of_the_world, id="thousands of groups of the whole world"),
        pytest.param(lambda: groups_in_steps(same=True), id="a large group, named by every kernel"),
        pytest.param(lambda: groups_in_steps(same=False), id="another large group at every kernel"),
        pytest.param(many_layers, id="a model of two thousand million layers"),
        pytest.param(bomb_of_gzip, id="gzip that expands a thousand times"),
        pytest.param(lambda: brackets(b"},{"), id="brackets between events"),
        pytest.param(lambda: brackets(b"}],"), id="brackets after events"),
        pytest.param(lambda: brackets(b"["), id="opening brackets"),
    ],
)
def test_a_megabyte_takes_less_than_a_gibibyte(files: object, tmp_path: Path) -> None:
    folder = written(tmp_path / "run", files())  # type: ignore[operator]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1.3 * MEGABYTE
    for command in ("analyze", "doctor"):
        code, peak_bytes, said = ran(command, str(folder), "--format", "json")
        assert code in {0, 2}, said
        assert peak_bytes < GIB, command


def ran(*words: str) -> tuple[int, int, str]:
    """Exit code, peak memory and last words of a command that may not take the machine's memory."""
    # from a small process: what one is started from counts as its peak until it is a program of its own
    between = (
        "import resource, subprocess, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({6 * GIB}, {6 * GIB}))\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False)\n"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)\n"
    )
    command = [sys.executable, "-c", between, sys.executable, "-m", "commscope", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, peak_bytes = map(int, done.stdout.split())
    return code, peak_bytes, done.stderr[-2000:]


def test_a_world_size_no_machine_has_is_a_gap(tmp_path: Path) -> None:
    from commscope.engine import analyze
    from commscope.readers import open_run

    for files in (huge_world(), huge_manifest()):
        analysis = analyze(open_run(written(tmp_path / "run", files)), jobs=1)
        assert "bad_world_size" in {gap.code for gap in analysis.gaps}
        assert analysis.missing_ranks == ()


def test_a_rank_of_any_number_is_one_rank(tmp_path: Path) -> None:
    """Counts by rank were as long as the largest number of one: 16 GB."""
    from commscope.engine import analyze
    from commscope.readers import open_run

    files = seed_run("gloo", 1)
    files["rank0.json"]["distributedInfo"]["rank"] = HUGE
    run = open_run(written(tmp_path, spoken(files)))
    tracemalloc.start()
    try:
        assert analyze(run, jobs=1).ranks == (HUGE,)
        assert tracemalloc.get_traced_memory()[1] < GIB // 8
    finally:
        tracemalloc.stop()
