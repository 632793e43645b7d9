"""A plain mutator over traces: takes bytes and a random generator, gives damaged bytes. Also the long fuzz run.

python -m tests.readers.mutator --inputs 100000
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from commscope.core import PURE, core
from commscope.errors import CommScopeError
from commscope.readers import open_run, read_rank
from commscope.readers.chrome import split
from commscope.readers.chrome.decode import Decoded, decode
from commscope.readers.chrome.gaps import gaps_of
from commscope.readers.files.blocks import GZIP_MAGIC, Damage
from commscope.trace import Events

CHECKOUT = Path(__file__).resolve().parents[2]
ODD = [
    b"NaN", b"Infinity", b"-Infinity", b"null", b"true", b'""', b"[]", b"{}", b"-1", b"1e400", b"1e-400", b"18446744073709551617",
    b"-9223372036854775809", b"9" * 400, b'"12"', b'"\\ud800"', b'"\\x41"', b'"\xff\xfe"', b'"\x00"', b'"a"b"', b"[[[[[[]]]]]]",
    b'{"traceEvents":[]}', b'"traceEvents":[', b"}", b"]", b",", b"}]", b"},{", b'\\"', b"0.1", b"-0.0", b"1e18", b"[" * 3000,
    b'{"a":' * 3000, b'"ph":"X",', b'"dur":-5,', b'"ts":"12.5",',
]  # fmt: skip
KEYS = [b"ts", b"dur", b"ph", b"cat", b"name", b"args", b"pid", b"tid", b"rank", b"ranks", b"pg_config", b"distributedInfo",
        b"traceEvents", b"baseTimeNanoseconds", b"External id", b"correlation", b"Input Dims", b"Comms Id", b"Group size"]  # fmt: skip

SEED = {
    "schemaVersion": 1,
    "distributedInfo": {"backend": "nccl", "rank": 1, "world_size": 2,
                        "pg_config": [{"pg_name": "0", "pg_desc": "tp", "pg_size": 2, "ranks": "[0, 1]"}]},
    "baseTimeNanoseconds": 1_700_000_000_000_000_000,
    "deviceProperties": [{"id": 0, "name": "A"}, {"id": 1, "name": "B"}],
    "traceEvents": [
        {"ph": "M", "name": "thread_name", "pid": 7, "tid": 7, "ts": 0, "args": {"name": "main"}},
        {"ph": "X", "cat": "cpu_op", "name": "c10d::allreduce_", "pid": 7, "tid": 7, "ts": 1.5, "dur": 9.25,
         "args": {"External id": 3, "Input Dims": [[[4, 2]], []], "Input type": ["TensorList", ""], "Concrete Inputs": ["", "False"]}},
        {"ph": "X", "cat": "cpu_op", "name": "record_param_comms", "pid": 7, "tid": 7, "ts": 2.0, "dur": 3,
         "args": {"External id": 4, "Collective name": "allreduce", "In msg nelems": 8, "Out msg nelems": 8, "Group size": 2,
                  "dtype": "Float", "Process Group Name": "0", "Process Group Ranks": "[0, 1]", "Comms Id": "123", "Seq": 5}},
        {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 7, "tid": 7, "ts": 2.5, "dur": 1,
         "args": {"External id": 4, "correlation": 11}},
        {"ph": "s", "id": 11, "pid": 7, "tid": 7, "ts": 2.5, "cat": "ac2g", "name": "ac2g"},
        {"ph": "X", "cat": "kernel", "name": "ncclDevKernel_AllReduce_Sum_f32_RING_LL()", "pid": 0, "tid": 20, "ts": 4, "dur": 5.125,
         "args": {"External id": 4, "device": 0, "stream": 20, "correlation": 11, "grid": [1, 1, 1]}},
        {"ph": "i", "s": "t", "name": "[memory]", "pid": 7, "tid": 7, "ts": 5,
         "args": {"Total Allocated": 12, "Device Id": 0, "Device Type": 1}},
    ],
    "traceName": "x.json",
}  # fmt: skip


def seed_text() -> bytes:
    """A small trace with one of everything."""
    return json.dumps(SEED, indent=1).encode()


def mutate(text: bytes, chance: random.Random) -> bytes:
    """One to four random damages."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        text = chance.choice(_DAMAGES)(text, chance)
    return gzip.compress(text, 1, mtime=0) if chance.random() < 0.15 else text


def _cut(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text) + 1)]


def _flip(text: bytes, chance: random.Random) -> bytes:
    if not text:
        return text
    place = chance.randrange(len(text))
    return text[:place] + bytes([chance.randrange(256)]) + text[place + 1 :]


def _insert(text: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(ODD) + text[place:]


def _value(text: bytes, chance: random.Random) -> bytes:
    """Another value behind one of the known keys."""
    key = b'"' + chance.choice(KEYS) + b'":'
    places = [match.end() for match in re.finditer(re.escape(key), text)]
    if not places:
        return _insert(text, chance)
    start = chance.choice(places)
    end = start
    while end < len(text) and text[end : end + 1] not in b",}\n":
        end += 1
    return text[:start] + chance.choice(ODD) + text[end:]


def _delete(text: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(text) + 1)
    return text[:start] + text[start + chance.randrange(1, 60) :]


def _double(text: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(text) + 1)
    piece = text[start : start + chance.randrange(1, 400)]
    return text[:start] + piece + text[start:]


def _swap(text: bytes, chance: random.Random) -> bytes:
    lines = text.split(b"\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut, _flip, _insert, _insert, _value, _value, _value, _delete, _double, _swap,
)  # fmt: skip


def outcome(path: Path) -> str:
    """What reading a file comes to: `read`, `gap` or `refused`; anything else is a fault of ours and raises."""
    try:
        run = open_run(path)
        traces = [read_rank(part, run.info) for part in run.parts]
    except CommScopeError as error:
        return "refused" if error.what and error.hint else f"refused without a hint: {error!r}"
    for trace in traces:
        check(trace.events, trace.read_counts)
    return "gap" if run.gaps or any(trace.gaps for trace in traces) else "read"


def check(events: Events, counts: dict[str, int]) -> None:
    """What holds for every trace, however damaged."""
    assert (events.end_ns >= events.start_ns).all()
    assert (events.start_ns[1:] >= events.start_ns[:-1]).all()
    assert len(events) == counts["events"]
    for numbers, table in (
        (events.name_id, events.names),
        (events.lane_id, events.lanes),
        (events.comm_id, events.comms),
    ):
        assert not len(events) or int(numbers.max()) < len(table)


def outcome_in_memory(text: bytes, chance: random.Random) -> str:
    """The same without a file: the text handed to the decoder in blocks of random size."""
    size = chance.choice((100, 1000, 1 << 18))
    decoded = decode(blocks_in(text, size))
    check(decoded.events, decoded.counts)
    if not decoded.is_trace:
        return "refused"
    return "gap" if gaps_of(0, decoded, Damage()) else "read"


def assert_same(text: bytes, size: int, chunk: int) -> None:
    """The compiled core and the reader in Python decode a text alike, cut into chunks of so many bytes."""
    with mock.patch.object(split, "CHUNK_BYTES", chunk):
        compiled = spoken(decode(blocks_in(text, size)))
        with mock.patch.dict(os.environ, {PURE: "1"}):
            pure = spoken(decode(blocks_in(text, size)))
    assert compiled == pure


def blocks_in(text: bytes, size: int) -> Iterator[bytes]:
    return (text[place : place + size] for place in range(0, len(text), size))


def spoken(decoded: Decoded) -> dict[str, Any]:
    """A decoded trace as values that can be held against each other."""
    said = {field.name: getattr(decoded, field.name) for field in fields(decoded)}
    columns = {field.name: getattr(decoded.events, field.name) for field in fields(decoded.events)}
    for name, column in columns.items():
        if isinstance(column, np.ndarray):
            columns[name] = (column.dtype.str, column.tolist())
    return {**said, "meta": repr(decoded.meta), "events": columns}


def main() -> int:
    """Fuzz and print what came of it; exit code 1 on the first fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    folder = Path(os.environ.get("COMMSCOPE_REAL_TRACES", CHECKOUT.parent / "shared" / "traces"))
    texts = [seed_text()] * 60
    texts += [gzip.decompress(path.read_bytes())[:20_000] for path in sorted(folder.rglob("*.json.gz"))]
    chance, counts, slowest = random.Random(chosen.seed), Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rank0.json"
        for number in range(chosen.inputs):
            text = mutate(chance.choice(texts), chance)
            through_file = number % 10 == 0 or text.startswith(GZIP_MAGIC)
            started = time.process_time()
            try:
                if through_file:
                    path.write_bytes(text)
                counts[outcome(path) if through_file else outcome_in_memory(text, chance)] += 1
                if not text.startswith(GZIP_MAGIC) and core() is not None:
                    assert_same(text, chance.choice((97, 4000, 1 << 18)), chance.choice((200, 1000, 1 << 18)))
                    counts["same"] += 1
            except BaseException:  # noqa: BLE001 - every fault is kept, whatever it is
                traceback.print_exc()
                kept = Path(tempfile.gettempdir()) / f"commscope-fuzz-{chosen.seed}-{number}.json"
                kept.write_bytes(text)
                print(f"input {number} of seed {chosen.seed} kept at {kept}", file=sys.stderr)
                return 1
            slowest = max(slowest, time.process_time() - started)
            if (number + 1) % 10_000 == 0:
                print(f"{number + 1} inputs: {dict(counts)}; slowest {slowest:.2f} s of CPU", flush=True)
    print(f"{chosen.inputs} inputs: {dict(counts)}, no fault; slowest {slowest:.2f} s of CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
