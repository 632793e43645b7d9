"""Damaged, odd and hostile files: an error the user can act on or a named gap; never a crash, a hang or silence."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import tarfile
from pathlib import Path

import pytest

from commscope.errors import UnreadableTrace
from commscope.readers import open_run, read_rank
from commscope.readers.chrome import split as jsonsplit
from commscope.readers.files import blocks
from tests.readers.chrome_files import codes, kernel, names, op, read, text_of, write

MANY = [op(f"op{number}", 10 * number, 5) for number in range(400)]


def _read_first(path: Path) -> None:
    run = open_run(path)
    read_rank(run.parts[0], run.info)


def refused(path: Path) -> UnreadableTrace:
    """The error of opening and reading a path."""
    with pytest.raises(UnreadableTrace) as caught:
        _read_first(path)
    assert len(str(caught.value).splitlines()) == 3
    return caught.value


@pytest.mark.parametrize("name", ["rank0.json", "rank0.json.gz"])
def test_a_truncated_file_keeps_what_came_before(tmp_path: Path, name: str) -> None:
    whole = text_of(MANY)
    stored = gzip.compress(whole) if name.endswith("gz") else whole
    path = tmp_path / name
    path.write_bytes(stored[: len(stored) * 6 // 10])
    run = open_run(path)
    trace = read_rank(run.parts[0], run.info)
    assert codes(trace) == ["truncated"]
    assert 150 < len(trace.events) < 400
    assert names(trace) == [f"op{number}" for number in range(len(trace.events))]
    assert trace.read_counts["truncated"] == 1


def test_a_file_cut_right_behind_an_event_loses_none_before_it(tmp_path: Path) -> None:
    text = text_of(MANY)
    end = text.index(b'{"ph": "X", "cat": "cpu_op", "name": "op7"')
    trace = read(tmp_path, text[:end])
    assert len(trace.events) == 7
    assert codes(trace) == ["truncated"]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"ph": "X", "cat": "user_annotation", "name": "## "q" ##", "pid": 7, "tid": 7, "ts": 5, "dur": 1}',
        b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": }',
        b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": "soon", "dur": 1}',
        b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": 1e300, "dur": 1}',
        b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": ' + b"9" * 400 + b', "dur": 1}',
        b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "dur": 1}',
        b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": NaN, "dur": 1}',
        b'{"ph": "X", "cat": "cpu_op", "name": "a", "ts": 1, "args": ' + b"[" * 200_000 + b"}",
    ],
)
def test_one_bad_event_costs_one_event(tmp_path: Path, bad: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonsplit, "CHUNK_BYTES", 4000)
    text = text_of(MANY).replace(
        b', {"ph": "X", "cat": "cpu_op", "name": "op200"',
        b", " + bad + b', {"ph": "X", "cat": "cpu_op", "name": "op200"',
    )
    trace = read(tmp_path, text)
    assert len(trace.events) == 400
    assert trace.read_counts["bad"] == 1
    assert codes(trace) == ["bad_events"]


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": "5.125", "dur": "1"}', "a"),
        (b'{"ph": "X", "cat": "cpu_op", "name": "a\\q", "pid": 7, "tid": 7, "ts": 5.125, "dur": 1}', "a\\q"),
        (
            b'{"ph": "X", "cat": "cpu_op", "name": "a\x01", "pid": 7, "tid": 7, "ts": 5.125, "dur": 1}',
            "a\x01",
        ),
        (
            b'{"ph": "X", "cat": "cpu_op", "name": "a\xff", "pid": 7, "tid": 7, "ts": 5.125, "dur": 1}',
            "a\ufffd",
        ),
        (
            b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7.0, "tid": null, "ts": 5.125, "dur": 1, "args": 3}',
            "a",
        ),
        (
            b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": 5.125, "dur": 1, "args": {"correlation": {}}}',
            "a",
        ),
        (
            b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 7, "tid": 7, "ts": 5.125, "dur": 1, "args": {"x": Infinity}}',
            "a",
        ),
        (
            b'{"ph": "X", "cat": "cpu_op", "name": "b", "name": "a", "pid": 7, "tid": 7, "ts": 5.125, "dur": 1}',
            "a",
        ),
        (
            b'{"ph": "X", "cat": "cpu_op", "name": "a", "pid": 99999999999999999999999, "tid": 7, "ts": 5.125, "dur": 1}',
            "a",
        ),
    ],
)
def test_odd_but_readable_events_are_kept_exactly(tmp_path: Path, bad: bytes, name: str) -> None:
    trace = read(tmp_path, text_of([op("z", 90, 1)]).replace(b'[{"ph"', b"[" + bad + b', {"ph"'))
    assert names(trace) == [name, "z"]
    assert trace.events.start_ns[0] == 5125
    assert trace.events.end_ns[0] == 6125
    assert trace.read_counts["bad"] == 0


def test_negative_and_missing_durations_are_length_zero_and_named(tmp_path: Path) -> None:
    missing = {key: value for key, value in op("b", 2, 1).items() if key != "dur"}
    trace = read(tmp_path, text_of([op("a", 1, -4), missing, op("c", 3, 1)]))
    assert list(trace.events.end_ns - trace.events.start_ns) == [0, 0, 1000]
    assert codes(trace) == ["negative_durations", "no_durations"]


def test_numbers_beyond_int64_are_absent_not_wrong(tmp_path: Path) -> None:
    trace = read(
        tmp_path, text_of([kernel("k", 1, 1, correlation=2**64 + 3, External_id=-(2**70), bytes=2**63)])
    )
    assert (trace.events.correlation[0], trace.events.external_id[0], trace.events.size_bytes[0]) == (
        -1,
        -1,
        -1,
    )


def test_huge_arguments_and_names_are_read(tmp_path: Path) -> None:
    trace = read(tmp_path, text_of([op("x" * 300_000, 1, 1, stack="y" * 3_000_000), op("b", 5, 1)]))
    assert len(trace.events) == 2


def test_an_event_without_end_is_given_up_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonsplit, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(jsonsplit, "EVENT_LIMIT_BYTES", 50_000)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    trace = read(tmp_path, text_of([op("a", 1, 1), op("b", 2, 1, stack="y" * 300_000), op("c", 3, 1)]))
    assert names(trace) == ["a", "c"]
    assert "bad_events" in codes(trace)


def test_a_gzip_bomb_stops_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LIMIT_RATIO_FROM_BYTES", 1 << 20)
    head = text_of(MANY)[:-2] + b"," + json.dumps(op("again", 1, 1)).encode()
    trace = read(
        tmp_path, head + (b"," + json.dumps(op("again", 1, 1)).encode()) * 100_000 + b"]}", "rank0.json.gz"
    )
    assert "too_large" in codes(trace)
    assert len(trace.events) < 90_000


def test_a_bomb_of_blanks_is_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LIMIT_RATIO_FROM_BYTES", 1 << 20)
    assert refused(write(tmp_path, b" " * (8 << 20), "rank0.json.gz")).what == "the file is empty"


@pytest.mark.parametrize(
    "text",
    [b"hello", b"\x00" * 100, b'{"a": 1}', b"[1, 2, 3]", b"{", b'"x"', b"\x1f\x8b\x08garbage", b"<html>"],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, text: bytes) -> None:
    assert refused(write(tmp_path, text)).where == str(tmp_path / "rank0.json")


def _tar(name: str, text: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        inside = tarfile.TarInfo(name)
        inside.size = len(text)
        archive.addfile(inside, io.BytesIO(text))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "stored", "what", "hint"),
    [
        ("rank0.json.zst", b"\x28\xb5\x2f\xfd" + b"x" * 90, "zstd", "zstd -d rank0.json.zst"),
        ("rank0.json.bz2", bz2.compress(text_of(MANY)), "bzip2", "bunzip2 rank0.json.bz2"),
        ("rank0.json.xz", lzma.compress(text_of(MANY)), "xz", "unxz rank0.json.xz"),
        ("rank0.zip", b"PK\x03\x04" + b"x" * 90, "zip", "unzip rank0.zip"),
        ("rank0.tar", _tar("rank0.json", text_of(MANY)), "tar", "tar xf rank0.tar"),
        ("run.tgz", gzip.compress(_tar("rank0.json", text_of(MANY))), "tar", "tar xf run.tgz"),
        ("run.nsys-rep", b"anything", "nsys", "--output run.sqlite run.nsys-rep"),
    ],
)
def test_a_trace_packed_in_something_else_is_named(
    tmp_path: Path, name: str, stored: bytes, what: str, hint: str
) -> None:
    (tmp_path / name).write_bytes(stored)
    for path in (tmp_path / name, tmp_path):
        told = refused(path)
        assert what in told.what
        assert hint in told.hint
        assert told.where == str(tmp_path / name)


def test_a_tar_that_calls_itself_a_trace_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, _tar("rank0.json", text_of(MANY)), "rank0.json.gz")
    assert "a tar archive" in refused(path).what


def test_an_execution_trace_is_named(tmp_path: Path) -> None:
    graph = {
        "schema": "1.1.0-chakra.0.0.4",
        "pid": 7,
        "time": "2024-05-15",
        "nodes": [{"id": 1, "name": "aten::mm"}],
    }
    assert (
        "an execution trace in which nothing communicates"
        in refused(write(tmp_path, json.dumps(graph, indent=1).encode())).what
    )


@pytest.mark.parametrize("text", [b'{"traceEvents": []}', b"[]", b'{"traceEvents": [ ], "traceName": "x"}'])
def test_a_trace_without_events_says_so(tmp_path: Path, text: bytes) -> None:
    trace = read(tmp_path, text)
    assert len(trace.events) == 0
    assert codes(trace) == ["no_events"]


def test_an_empty_file_and_a_missing_path_are_told(tmp_path: Path) -> None:
    assert refused(write(tmp_path, b"")).what == "the file is empty"
    assert refused(tmp_path / "nowhere").what == "no such file or folder"
    assert "no trace in this folder" in refused(_folder(tmp_path)).what


def _folder(path: Path) -> Path:
    (path / "empty").mkdir()
    return path / "empty"


def test_a_pipe_and_a_loop_of_links_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rank0.json")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "self").symlink_to(tmp_path, target_is_directory=True)
    assert refused(tmp_path / "rank0.json").what == "neither a file nor a folder"
    refused(tmp_path / "loop")
    refused(tmp_path)


def test_no_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, text_of(MANY))

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    assert refused(path).what == "no permission to read"


def test_damaged_metadata_is_a_gap_not_a_loss(tmp_path: Path) -> None:
    text = (
        b'{"distributedInfo": {"rank": 0, oops}, "traceEvents": ['
        + json.dumps(op("a", 1, 1)).encode()
        + b"]}"
    )
    trace = read(tmp_path, text)
    assert names(trace) == ["a"]
    assert codes(trace) == ["bad_metadata"]


def test_many_brackets_do_not_take_quadratic_time(tmp_path: Path) -> None:
    events = [
        op(f"n{number}", number, 1, list=[{"a": 1}], more=[{"b": [{"c": 2}]}]) for number in range(5000)
    ]
    trace = read(tmp_path, text_of(events) + b"x")
    assert len(trace.events) >= 4999
    hostile = b'{"traceEvents": [{"ph": "X"}' + b'],"a":[{}' * 200_000
    assert read(tmp_path, hostile).read_counts["events"] == 0


def test_begin_and_end_events_are_named(tmp_path: Path) -> None:
    half = {"ph": "B", "name": "x", "ts": 1, "pid": 1, "tid": 1}
    assert codes(read(tmp_path, text_of([op("a", 1, 1), half]))) == ["half_events"]
    end = {"ph": "E", "ts": 2, "pid": 1, "tid": 2}
    assert codes(read(tmp_path, text_of([op("a", 1, 1), half, end, {**half, "ph": "b"}]))) == ["half_events"]


def test_begin_and_end_events_make_whole_ones(tmp_path: Path) -> None:
    def half(phase: str, name: str, ts: str, **more: object) -> dict[str, object]:
        return {"ph": phase, "cat": "cpu_op", "name": name, "pid": 1, "tid": 2, "ts": ts, **more}

    halves = [
        half("E", "", "1712195495505590.25"),
        half("B", "outer", "1712195495505580.988", args={"External id": 4}),
        half("B", "inner", "1712195495505582.5"),
        half("E", "inner", "1712195495505584.5"),
        half("B", "of another thread", "1712195495505583", tid=3),
        half("E", "of another thread", "1712195495505583", tid=3),
        half("B", "device", "1712195495505581", tid=4, cat="kernel"),
        half("E", "device", "1712195495505582", tid=4, cat="kernel"),
    ]
    trace = read(tmp_path, text_of(halves))
    spans = {
        name: (int(start), int(end - start))
        for name, start, end in zip(names(trace), trace.events.start_ns, trace.events.end_ns, strict=True)
    }
    assert spans == {
        "outer": (1712195495505580988, 9262),
        "inner": (1712195495505582500, 2000),
        "of another thread": (1712195495505583000, 0),
        "device": (1712195495505581000, 1000),
    }
    assert trace.events.external_id[names(trace).index("outer")] == 4
    assert codes(trace) == []


@pytest.mark.parametrize("close", [b",]}", b" , ] }", b",\n]", b', ], "traceName": "x"}'])
def test_a_comma_behind_the_last_event_is_no_damage(tmp_path: Path, close: bytes) -> None:
    text = text_of(MANY[:3])
    trace = read(tmp_path, text[: text.rindex(b"]}")] + close)
    assert names(trace) == ["op0", "op1", "op2"]
    assert codes(trace) == []


def test_events_of_unknown_kinds_are_counted(tmp_path: Path) -> None:
    trace = read(tmp_path, text_of([op("a", 1, 1), op("b", 1, 1, cat="glow_runtime")]))
    assert trace.read_counts["other"] == 1
    assert codes(trace) == ["other_events"]
