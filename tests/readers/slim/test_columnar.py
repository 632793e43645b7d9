"""The cache and slim runs: they give back what was read, and never something else."""

from __future__ import annotations

import dataclasses
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from commscope.errors import UnreadableTrace, UsageProblem
from commscope.readers import open_run, read_rank, slim
from commscope.readers.slim import cache, parquet_file
from commscope.schema import EventKind, Source
from commscope.trace import RankPart, RankTrace
from tests.readers.chrome_files import kernel, names, op, text_of, write

EVENTS = [
    op(
        "record_param_comms",
        1,
        4,
        Collective_name="allreduce",
        In_msg_nelems=8,
        dtype="Half",
        Seq=3,
        Process_Group_Ranks="[0, 1]",
    ),
    op("train.py(3): step", 0, 40, cat="python_function"),
    op("nn.Module: Layer_3", 0.5, 30, cat="python_function"),
    kernel("gemm", 20, 4.25, correlation=70),
    kernel("Stream Wait Event", 30, 1, cat="cuda_sync", stream=20),
    {
        "ph": "i",
        "name": "[memory]",
        "pid": 7,
        "tid": 7,
        "ts": 5,
        "args": {"Total Allocated": 12, "Device Id": 0, "Device Type": 1},
    },
]
BASE = 1_700_000_000_000_000_000


def same(first: RankTrace, second: RankTrace) -> None:
    """Every field and every column equal, dtypes too."""
    for item in dataclasses.fields(first):
        if item.name != "events":
            assert getattr(first, item.name) == getattr(second, item.name), item.name
    for item in dataclasses.fields(first.events):
        left, right = getattr(first.events, item.name), getattr(second.events, item.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, item.name
            assert np.array_equal(left, right), item.name
        else:
            assert left == right, item.name


def run_folder(folder: Path, ranks: int = 2) -> Path:
    """A small run."""
    folder.mkdir(exist_ok=True)
    for rank in range(ranks):
        write(folder, text_of(EVENTS, rank=rank, baseTimeNanoseconds=BASE), f"rank{rank}.json.gz")
    return folder


@pytest.fixture
def caching(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Caches files of every size, in this folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(cache, "WORTH_BYTES", 1)
    monkeypatch.delenv(cache.OFF, raising=False)
    monkeypatch.setenv("COMMSCOPE_CACHE", str(folder))
    return folder


def entry_of(part: RankPart, caching: Path) -> Path:
    """Where the trace of a part is kept."""
    return caching / cache.KIND / cache.entry_name(cache.content_key(part))


@pytest.mark.usefixtures("caching")
def test_the_second_reading_comes_from_the_cache_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(run_folder(tmp_path))
    first = [read_rank(part, run.info) for part in run.parts]
    monkeypatch.setattr("commscope.readers.chrome.one_rank.decode", None)
    for part, trace in zip(run.parts, first, strict=True):
        same(trace, read_rank(part, run.info))
    assert [part.rank for part in open_run(tmp_path).parts] == [0, 1]


@pytest.mark.usefixtures("caching")
def test_a_cache_of_other_content_is_refused(tmp_path: Path) -> None:
    run = open_run(run_folder(tmp_path, 1))
    read_rank(run.parts[0], run.info)
    write(tmp_path, text_of([op("new", 1, 1)]), "rank0.json.gz")
    assert names(read_rank(run.parts[0], run.info)) == ["new"]
    assert names(read_rank(run.parts[0], run.info)) == ["new"]


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"nonsense" * 100])
def test_a_damaged_cache_is_made_anew(caching: Path, tmp_path: Path, damage: bytes) -> None:
    run = open_run(run_folder(tmp_path, 1))
    trace = read_rank(run.parts[0], run.info)
    place = entry_of(run.parts[0], caching)
    whole = place.read_bytes()
    place.write_bytes(damage)
    same(trace, read_rank(run.parts[0], run.info))
    place.write_bytes(whole[:-50])
    same(trace, read_rank(run.parts[0], run.info))
    assert place.stat().st_size == len(whole)


def test_a_cache_of_another_schema_is_refused(
    caching: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(run_folder(tmp_path, 1))
    monkeypatch.setattr(parquet_file, "EVENTS_SCHEMA_VERSION", 999)
    read_rank(run.parts[0], run.info)
    monkeypatch.undo()
    with pytest.raises(UnreadableTrace, match="written with schema 999"):
        parquet_file.read_trace(entry_of(run.parts[0], caching))


def test_a_cache_of_another_way_of_reading_is_made_anew(
    caching: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(run_folder(tmp_path, 1))
    read_rank(run.parts[0], run.info)
    before = cache.content_key(run.parts[0])
    assert parquet_file.read_trace(entry_of(run.parts[0], caching))[1] == before
    monkeypatch.setattr(cache, "READING", cache.READING + 1)
    read_rank(run.parts[0], run.info)
    after = parquet_file.read_trace(entry_of(run.parts[0], caching))[1]
    assert after == cache.content_key(run.parts[0]) != before


@pytest.mark.usefixtures("caching")
def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_trace", full)
    run = open_run(run_folder(tmp_path, 1))
    assert len(read_rank(run.parts[0], run.info).events) == 5


def test_small_files_leave_no_cache(tmp_path: Path) -> None:
    run = open_run(run_folder(tmp_path, 1))
    read_rank(run.parts[0], run.info)
    assert not list(tmp_path.rglob("*.parquet"))


def _write_often(path: Path, number: int) -> None:
    run = open_run(path / "rank0.json.gz")
    trace = read_rank(run.parts[0], run.info)
    for _ in range(5):
        parquet_file.write_trace(trace, path / "shared.parquet", content=str(number))


def test_two_processes_may_write_the_same_file(tmp_path: Path) -> None:
    run_folder(tmp_path, 1)
    _write_often(tmp_path, 0)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_often, args=(tmp_path, number)) for number in (1, 2)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        trace, content = parquet_file.read_trace(tmp_path / "shared.parquet")
        assert len(trace.events) == 5
        assert content in {"0", "1", "2"}
        workers[0].join(0.02)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert not list(tmp_path.glob("*.partial"))


def test_a_slim_run_gives_the_same_traces_without_plain_python_frames(tmp_path: Path) -> None:
    run = open_run(run_folder(tmp_path / "run"))
    files = slim(run, tmp_path / "slim")
    assert [path.name for path in files] == ["rank0.parquet", "rank1.parquet", "run.json"]
    again = open_run(tmp_path / "slim")
    assert (again.info.source, again.info.world_size, again.info.backend) == (Source.COLUMNAR, 2, "nccl")
    for old, new in zip(run.parts, again.parts, strict=True):
        before, after = read_rank(old, run.info), read_rank(new, again.info)
        assert after.events.is_kind(EventKind.PYTHON).sum() == 1
        assert names(after) == [name for name in names(before) if "train.py" not in name]
        assert after.events.facts(1) == before.events.facts(2) is not None
        assert after.memory == before.memory
        assert [after.events.name(sync.event) for sync in after.syncs] == ["Stream Wait Event"]
        assert (after.events.start_ns == before.events.start_ns[1:]).all()


def test_slimming_again_changes_nothing(tmp_path: Path) -> None:
    first = open_run(run_folder(tmp_path / "run", 1))
    slim(first, tmp_path / "one")
    second = open_run(tmp_path / "one")
    slim(second, tmp_path / "two")
    third = open_run(tmp_path / "two")
    same(read_rank(second.parts[0], second.info), read_rank(third.parts[0], third.info))


def test_slim_never_overwrites(tmp_path: Path) -> None:
    run = open_run(run_folder(tmp_path / "run", 1))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(UsageProblem, match="already there"):
        slim(run, tmp_path / "taken")
    assert (tmp_path / "taken" / "notes.txt").read_text() == "mine"


def test_parquet_that_is_not_ours(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(UnreadableTrace, match="not one of commscope's"):
        open_run(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1" + b"x" * 100)
    with pytest.raises(UnreadableTrace, match="damaged"):
        open_run(tmp_path / "b.parquet")
