"""Finding runs: which files are one run, and whose rank is which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commscope.errors import UnreadableTrace
from commscope.readers import open_run, read_rank
from tests.readers.chrome_files import codes, kernel, names, op, read_path, text_of, write


def ranks_of(path: Path, **ranks: int) -> list[tuple[int, str]]:
    """Rank and file of every part."""
    return [(part.rank, part.path.name) for part in open_run(path, ranks=ranks or None).parts]


def test_the_file_says_its_rank_and_its_name_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)], rank=1), "rank0.json")
    write(tmp_path, text_of([op("a", 1, 1)], rank=0), "host_1.2.pt.trace.json.gz")
    assert ranks_of(tmp_path) == [(0, "host_1.2.pt.trace.json.gz"), (1, "rank0.json")]


@pytest.mark.parametrize(
    "pattern",
    [
        "rank{}.json",
        "worker{}.pt.trace.json",
        "trace_rank_{:03d}.json.gz",
        "r{}.json",
        "step5_rank-{}_x.json",
    ],
)
def test_names_tell_the_rank_where_files_do_not(tmp_path: Path, pattern: str) -> None:
    for rank in (0, 1, 12):
        write(tmp_path, text_of([op("a", 1, 1)], rank=None), pattern.format(rank))
    assert [rank for rank, _ in ranks_of(tmp_path)] == [0, 1, 12]


def test_numbered_files_are_taken_in_order_and_it_is_said(tmp_path: Path) -> None:
    for number in range(11):
        write(tmp_path, text_of([op("a", 1, 1)], rank=None), f"trace_{number}.json")
    run = open_run(tmp_path)
    assert [part.path.name for part in run.parts] == [f"trace_{number}.json" for number in range(11)]
    assert [gap.code for gap in run.gaps] == ["rank_from_number"]


def test_files_without_any_rank_are_asked_for(tmp_path: Path) -> None:
    for name in ("alpha.json", "beta.json"):
        write(tmp_path, text_of([op("a", 1, 1)], rank=None), name)
    with pytest.raises(UnreadableTrace) as caught:
        open_run(tmp_path)
    assert caught.value.hint == "--rank alpha.json=N --rank beta.json=N"
    run = open_run(tmp_path, ranks={"alpha.json": 3, "beta.json": 1})
    assert [(part.rank, part.path.name) for part in run.parts] == [(1, "beta.json"), (3, "alpha.json")]


def test_two_runs_in_one_folder_are_told_apart_by_an_error(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)]), "first.json")
    write(tmp_path, text_of([op("a", 1, 1)]), "second.json")
    with pytest.raises(UnreadableTrace, match=r"rank 0 is there twice: first\.json and second\.json"):
        open_run(tmp_path)


def test_a_folder_for_each_rank_is_one_run(tmp_path: Path) -> None:
    for rank in range(3):
        (tmp_path / f"rank{rank}").mkdir()
        write(tmp_path / f"rank{rank}", text_of([op("a", 1, 1)], rank=None), "trace.json")
    assert [rank for rank, _ in ranks_of(tmp_path)] == [0, 1, 2]


def test_other_json_beside_the_traces_is_ignored_and_said(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)]), "rank0.json")
    write(tmp_path, b'{"learning_rate": 1}', "config.json")
    run = open_run(tmp_path)
    assert len(run.parts) == 1
    assert [(gap.code, gap.serious) for gap in run.gaps] == [("ignored_files", False)]


def test_a_missing_rank_is_no_error_of_the_reader(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)], rank=1), "rank1.json")
    run = open_run(tmp_path)
    assert ([part.rank for part in run.parts], run.info.world_size) == ([1], 2)


def test_a_fused_file_is_split_by_rank(tmp_path: Path) -> None:
    events = [op(f"a{rank}", 10 * rank + 1, 1, pid=100 * rank + 7, rank=rank) for rank in (0, 3, 12)]
    run = open_run(write(tmp_path, text_of(events, rank=None), "merged.json"))
    assert [part.rank for part in run.parts] == [0, 3, 12]
    assert [names(read_rank(part, run.info)) for part in run.parts] == [["a0"], ["a3"], ["a12"]]
    assert [gap.code for gap in run.gaps] == ["fused_ranks"]


def test_a_file_merged_under_labels_of_processes_is_split_by_them(tmp_path: Path) -> None:
    events = [op(f"a{rank}", rank + 1, 1, pid=f"[TP0{rank}] 4711") for rank in (0, 3)]
    run = open_run(write(tmp_path, text_of(events, rank=None), "merged.json"))
    assert [part.rank for part in run.parts] == [0, 3]
    assert [names(read_rank(part, run.info)) for part in run.parts] == [["a0"], ["a3"]]
    many = [op(f"a{label}", 1, 1, pid=f"[{label}] 4711") for label in ("TP0-EP0", "TP0-EP1", "TP1-EP0")]
    run = open_run(write(tmp_path, text_of(many, rank=None), "merged.json"))
    assert [(part.rank, part.selector) for part in run.parts] == [
        (0, "pid:TP0-EP0"),
        (1, "pid:TP0-EP1"),
        (2, "pid:TP1-EP0"),
    ]


def test_several_devices_in_the_file_of_one_rank_are_told(tmp_path: Path) -> None:
    second = kernel("b", 2, 1)
    second["args"]["device"] = second["pid"] = 1
    trace = read_path(write(tmp_path, text_of([kernel("a", 1, 1), second])))
    assert codes(trace) == ["several_devices"]
    assert trace.gaps[0].serious
    assert codes(read_path(write(tmp_path, text_of([kernel("a", 1, 1), kernel("b", 2, 1)])))) == []


def test_facts_of_run_json_are_read(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)]), "rank0.json")
    manifest = {
        "schema": "commscope.run/1", "name": "mine", "complete": True, "backend": "gloo", "world_size": 4,
        "layout": {"tp": 2, "sp": True, "dp": 2}, "workload": "gpt", "command": ["commscope", "record"],
        "model": {"family": "gpt", "layers": 2, "hidden": 8, "ffn": 32, "heads": 2, "kv_heads": 2, "vocab": 16, "seq": 4, "batch": 1},
        "step_times": [{"rank": 0, "step": 3, "time_ns": 5, "profiled": False}], "sent_bytes": {"0": 7}, "later": {"unknown": 1},
        "ledger": "nonsense",
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(manifest))
    run = open_run(tmp_path)
    info = run.info
    assert (info.name, info.complete, info.backend, info.world_size) == ("mine", True, "gloo", 4)
    assert info.layout is not None
    assert (info.layout.tp, info.layout.sp, info.layout.dp, info.layout.pp) == (2, True, 2, 1)
    assert info.model is not None
    assert info.model.microbatches == 1
    assert info.step_times[0].time_ns == 5
    assert info.sent_bytes == {"0": 7}
    assert info.path == tmp_path
    assert [gap.message for gap in run.gaps] == ["run.json: not understood and left out: ledger"]


def test_an_unfinished_recording_is_named(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)]), "rank0.json")
    (tmp_path / "run.json").write_text('{"schema": "commscope.run/1", "complete": false}')
    assert [gap.code for gap in open_run(tmp_path).gaps] == ["incomplete_run"]
    (tmp_path / "run.json").write_text("{")
    run = open_run(tmp_path)
    assert ([gap.code for gap in run.gaps], run.info.complete) == (["bad_manifest"], None)


def test_two_kinds_of_traces_in_one_folder_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, text_of([op("a", 1, 1)]), "rank0.json")
    write(tmp_path, b"SQLite format 3\x00", "rank1.sqlite")
    with pytest.raises(UnreadableTrace, match="two kinds of traces"):
        open_run(tmp_path)
