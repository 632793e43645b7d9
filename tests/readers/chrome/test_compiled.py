"""The compiled core against the reader in Python, which is the oracle: the same `Decoded` for every text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commscope.core import PURE, core
from commscope.readers.chrome import compiled, decode, split
from commscope.readers.files.blocks import Damage, blocks_of
from tests.readers.mutator import assert_same, blocks_in, mutate, seed_text, spoken

NATIVE = core()
pytestmark = pytest.mark.skipif(NATIVE is None, reason="no compiled core here")

TIMES = [
    "0", "1", "12.5", "-3.25", "-0.0004", "0.0005", "0.9996", "8796093022207.999", "8796093022208.001", "8796093022207.9999",
    "1712345678901234.567", "1712345678901234.5675", "1712345678901234.5665", "1712345678901234", "9007199254740993.25",
    "2305843009213692.999", "2305843009213693", "99999999999999999999", "1e3", "1.5E2", "-0", "01", "1.", ".5", "3.00000000000000001",
    "5.1234567890123", "12345.6789", "null", '"7.5"', "true", "NaN",
]  # fmt: skip
LABELS = [
    "1",
    "-7",
    "0",
    '"stream 7"',
    '"caf\\u00e9 \\u2028"',
    '"\u00e9\U0001f600"',
    "null",
    "1.0",
    '"\\ud800"',
    "18446744073709551617",
    "01",
    "-0",
    "[]",
]
TEXTS = [
    '"a"',
    '""',
    '"ncclDevKernel_AllReduce"',
    '"a\\"b"',
    '"\\u005bmemory]"',
    '"[memory]"',
    '"\\x41"',
    '"a\tb"',
    "null",
    "7",
    '"commscope:collective:send|peer=1"',
]
NUMBERS = [
    "1",
    "-1",
    "0",
    "null",
    '"12"',
    "1.0",
    "9223372036854775807",
    "9223372036854775808",
    "-0",
    "true",
    "[1]",
]
EVENT: dict[str, list[str]] = {
    "ph": ['"X"', '"X"', '"X"', '"X"', '"i"', '"M"', '"B"', '"E"', '"s"', '""', '"XX"', "null", '"\\u0058"', "1"],
    "name": TEXTS,
    "cat": ['"kernel"', '"cpu_op"', '" Kernel "', '"cuda_sync"', '"odd"', '"Trace"', "null", "3"],
    "pid": LABELS,
    "tid": LABELS,
    "ts": TIMES,
    "dur": TIMES,
    "args": ["{}", "null", "[]", '{"External id": 3, "External id": 4}', "{,}", '{"a": {"b": [1, 2.5e3, {}]}, "c": "\\n"}'],
    "extra": ["1", "[[]]", '{"a": "\\/"}', "-", '"\x01"', "truth", "1e5", "1e500", "0.5.5"],
}  # fmt: skip
ARGS: dict[str, list[str]] = {
    **dict.fromkeys(["External id", "external id", "correlation", "Sequence number", "Fwd thread id", "bytes", "rank"], NUMBERS),
    "device": [*NUMBERS, '"0"'],
    "stream": [*NUMBERS, '"7"'],
    "Collective name": ['"allreduce"', '""', "null", "5"],
    "In msg nelems": ["8", '"8"'],
    "Seq": ["1", "2"],
    "Input Dims": ["[[4, 2], []]", "[[[4]]]", "[]"],
    "wait_on_stream": ["7"],
    "Total Allocated": ["12"],
    "Device Type": ["0", "1"],
    "Device Id": ["0"],
    "name": ['"main"'],
}  # fmt: skip


def members(words: dict[str, list[str]]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Some keys, each with one of its values, the first of them likelier."""
    one = st.sampled_from(sorted(words)).flatmap(
        lambda key: st.tuples(st.just(key), st.sampled_from([*words[key][:3] * 3, *words[key]]))
    )
    return st.lists(one, max_size=8)


@st.composite
def event_texts(draw: Callable[[Any], Any]) -> str:
    said = {"ph": '"X"', "ts": draw(st.sampled_from(TIMES[:12])), "cat": '"cpu_op"', "name": '"n"'}
    args = draw(members(ARGS))
    if args:
        said["args"] = "{" + ", ".join(f'"{key}": {value}' for key, value in args) + "}"
    pairs = (
        list(said.items()) + draw(members(EVENT))
        if draw(st.booleans())
        else list({**said, **dict(draw(members(EVENT)))}.items())
    )
    space = draw(st.sampled_from(["", " ", "\n\t "]))
    return (
        "{"
        + f",{space}".join(f'"{key}":{space}{value}' for key, value in draw(st.permutations(pairs)))
        + space
        + "}"
    )


@settings(max_examples=80, deadline=None)
@given(
    st.lists(event_texts(), max_size=12), st.sampled_from([50, 300, 1 << 18]), st.sampled_from([31, 1 << 18])
)
def test_events_of_every_kind_are_decoded_alike(events: list[str], chunk: int, size: int) -> None:
    text = (
        '{"baseTimeNanoseconds": 1700000000000000000, "traceEvents": [\n'
        + ",\n".join(events)
        + '\n], "traceName": "x"}'
    )
    assert_same(text.encode(), size, chunk)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_text_is_decoded_alike(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        text = mutate(seed_text(), chance)
        assert_same(text, chance.choice((97, 1 << 18)), chance.choice((200, 1000)))


def test_real_traces_are_decoded_alike(real_traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted(real_traces.rglob("*.json.gz")):
        blocks = list(blocks_of(path, Damage()))
        monkeypatch.delenv(PURE, raising=False)
        ours = spoken(decode.decode(iter(blocks)))
        monkeypatch.setenv(PURE, "1")
        assert ours == spoken(decode.decode(iter(blocks))), path.name


def test_it_is_the_core_that_reads_what_is_as_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    real = compiled.Compiled.take
    monkeypatch.setattr(
        compiled.Compiled, "take", lambda self, text: taken.append(real(self, text)) or taken[-1]
    )
    monkeypatch.setattr(split, "CHUNK_BYTES", 1000)
    decode.decode(blocks_in(seed_text(), 500))
    assert taken
    assert all(taken)
    taken.clear()
    monkeypatch.setenv(PURE, "1")
    decode.decode(blocks_in(seed_text(), 500))
    assert not taken


def test_one_odd_event_hands_over_its_stretch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    real = compiled.Compiled.take
    monkeypatch.setattr(
        compiled.Compiled, "take", lambda self, text: taken.append(real(self, text)) or taken[-1]
    )
    monkeypatch.setattr(split, "CHUNK_BYTES", 1000)
    events = [
        {"ph": "X", "cat": "cpu_op", "name": f"op{number}", "pid": 1, "tid": 1, "ts": number, "dur": 1}
        for number in range(200)
    ]
    events[77]["ts"] = "77.5"
    decoded = decode.decode(blocks_in(json.dumps({"traceEvents": events}).encode(), 1000))
    assert taken.count(False) == 1
    assert len(taken) > 10
    assert decoded.events.names == tuple(f"op{number}" for number in range(200))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=200))
def test_rows_are_ordered_as_numpy_orders_them(spans: list[tuple[int, int]]) -> None:
    assert NATIVE is not None
    start = np.array([first for first, _ in spans], dtype=np.int64)
    end = start + np.array([length for _, length in spans], dtype=np.int64)
    order = np.frombuffer(NATIVE.order(start, end), np.int64)
    assert order.tolist() == np.lexsort((-end, start)).tolist()


def test_what_is_no_text_is_refused() -> None:
    assert NATIVE is not None
    with pytest.raises(TypeError):
        NATIVE.Scanner()
    with pytest.raises(ValueError, match="as many"):
        NATIVE.order(np.zeros(2, np.int64), np.zeros(3, np.int64))


def test_a_fault_in_what_python_is_asked_is_passed_on() -> None:
    assert NATIVE is not None

    def fail(*_: object) -> tuple[int, bool]:
        raise KeyError("asked")

    scanner = NATIVE.Scanner(fail, fail, fail, 7)
    with pytest.raises(KeyError, match="asked"):
        scanner.scan(b'{"ph": "X", "name": "a", "cat": "kernel", "ts": 1}')
    wrong = NATIVE.Scanner(lambda _: "no pair", lambda *_: (3, 0), fail, 7)
    with pytest.raises(TypeError):
        wrong.scan(b'{"ph": "X", "name": "a", "cat": "kernel", "ts": 1}')
