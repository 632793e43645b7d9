"""Units are spelled once and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commscope import units
from commscope.errors import UsageProblem


@pytest.mark.parametrize(
    ("time_ns", "expected"),
    [
        (None, "not captured"),
        (0, "0 ns"),
        (999, "999 ns"),
        (1_500, "1.50 us"),
        (43_200_000, "43.2 ms"),
        (2.5e9, "2.50 s"),
        (999_600, "1.00 ms"),
        (-1_500_000, "-1.50 ms"),
    ],
)
def test_time_is_written_in_the_unit_that_suits_it(time_ns: float | None, expected: str) -> None:
    assert units.format_time(time_ns) == expected


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (None, "not captured"),
        (0, "0 B"),
        (1023, "1023 B"),
        (65536, "64.0 KiB"),
        (1 << 30, "1.00 GiB"),
        (1 << 42, "4.00 TiB"),
    ],
)
def test_bytes_are_binary(size_bytes: float | None, expected: str) -> None:
    assert units.format_bytes(size_bytes) == expected


def test_a_percentage_keeps_its_sign_where_asked() -> None:
    assert units.format_percent(0.061, signed=True) == "+6.1 %"
    assert units.format_percent(1.25) == "125 %"


def test_ranks_are_written_as_ranges() -> None:
    assert units.format_ranks([3]) == "rank 3"
    assert units.format_ranks([5, 0, 1, 2]) == "ranks 0-2, 5"
    assert units.format_ranks(range(64)) == "ranks 0-63"


def test_parsing_reads_what_a_person_writes() -> None:
    assert units.parse_time_ns("0.2 ms") == 200_000
    assert units.parse_bytes("64 MiB") == 64 << 20
    assert units.parse_percent("5%") == pytest.approx(0.05)


@pytest.mark.parametrize("text", ["", "5", "5 parsecs", "ms", "1e3 ms", "5 MS"])
def test_nonsense_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        units.parse_time_ns(text)
    assert caught.value.hint


@given(st.integers(min_value=0, max_value=10**15))
def test_formatting_a_time_loses_less_than_one_per_cent(time_ns: int) -> None:
    assert units.parse_time_ns(units.format_time(time_ns)) == pytest.approx(time_ns, rel=0.01)
