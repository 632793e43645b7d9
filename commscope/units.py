"""Units: the only place where a unit is spelled, parsed or rounded.

Times are int64 nanoseconds, sizes are bytes, bandwidth is bytes per nanosecond, which equals GB/s
with 1 GB = 1e9 B (the convention of nccl-tests).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from commscope.errors import UsageProblem

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

_TIME_UNITS_NS = {"ns": 1, "us": NS_PER_US, "ms": NS_PER_MS, "s": NS_PER_S}
_SIZE_UNITS_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*\Z")
ABSENT = "not captured"


def format_time(time_ns: float | None) -> str:
    """Nanoseconds in the largest unit that keeps at least one digit before the point."""
    if time_ns is None:
        return ABSENT
    size = abs(time_ns)
    if size < NS_PER_US:
        return f"{time_ns:.0f} ns"
    for unit, ns in (("us", NS_PER_US), ("ms", NS_PER_MS)):
        if size < 999.5 * ns:
            return f"{_three_digits(time_ns / ns)} {unit}"
    return f"{_three_digits(time_ns / NS_PER_S)} s"


def format_bytes(size_bytes: float | None) -> str:
    """Bytes in binary units (a tensor of 2^20 floats is 4 MiB)."""
    if size_bytes is None:
        return ABSENT
    if abs(size_bytes) < 1024:
        return f"{size_bytes:.0f} B"
    value = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if abs(value) < 1023.95:
            return f"{_three_digits(value)} {unit}"
    return f"{_three_digits(value / 1024)} TiB"


def format_bandwidth(gb_per_s: float | None) -> str:
    """GB/s with 1 GB = 1e9 B."""
    if gb_per_s is None:
        return ABSENT
    if 0 < abs(gb_per_s) < 0.1:
        return f"{_three_digits(1000 * gb_per_s)} MB/s"
    return f"{_three_digits(gb_per_s)} GB/s"


def format_percent(ratio: float | None, *, signed: bool = False) -> str:
    """A ratio as per cent: 0.061 gives `6.1 %`."""
    if ratio is None:
        return ABSENT
    percent = 100 * ratio
    digits = 0 if abs(percent) >= 99.5 else 1
    return f"{percent:{'+' if signed else ''}.{digits}f} %"


def format_count(count: float | None) -> str:
    """A count; fractions appear only where a mean over steps is not whole."""
    if count is None:
        return ABSENT
    return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.2f}"


def format_flops(flops: float | None, per: str = "") -> str:
    """Floating point operations, or with `/s` their rate: `189 MFLOP`, `12.1 TFLOP/s`."""
    if flops is None:
        return ABSENT
    value = float(flops)
    if abs(value) < 999.5:
        return f"{value:.0f} FLOP{per}"
    for unit in ("kFLOP", "MFLOP", "GFLOP", "TFLOP"):
        value /= 1000
        if abs(value) < 999.5:
            return f"{_three_digits(value)} {unit}{per}"
    return f"{_three_digits(value / 1000)} PFLOP{per}"


def axis_time(largest_ns: float) -> tuple[int, str]:
    """Nanoseconds per unit, and the unit, that suit an axis up to `largest_ns`."""
    for unit, ns in (("s", NS_PER_S), ("ms", NS_PER_MS), ("us", NS_PER_US)):
        if abs(largest_ns) >= ns:
            return ns, unit
    return 1, "ns"


def axis_bytes(largest_bytes: float) -> tuple[int, str]:
    """Bytes per unit, and the binary unit, that suit an axis up to `largest_bytes`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if abs(largest_bytes) >= _SIZE_UNITS_BYTES[unit]:
            return _SIZE_UNITS_BYTES[unit], unit
    return 1, "B"


def format_ranks(ranks: Iterable[int]) -> str:
    """`rank 3`, `ranks 0-2, 5`: neighbours as ranges."""
    spans: list[list[int]] = []
    for rank in sorted(ranks):
        if spans and rank == spans[-1][1] + 1:
            spans[-1][1] = rank
        else:
            spans.append([rank, rank])
    told = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)
    return f"rank {told}" if len(spans) == 1 and spans[0][0] == spans[0][1] else f"ranks {told or 'none'}"


def parse_time_ns(text: str) -> int:
    """`0.2 ms` as nanoseconds. Raises UsageProblem on anything else."""
    return round(_parse(text, _TIME_UNITS_NS, "a time such as 0.2 ms"))


def parse_bytes(text: str) -> int:
    """`64 MiB` as bytes. Raises UsageProblem on anything else."""
    return round(_parse(text, _SIZE_UNITS_BYTES, "a size such as 64 MiB"))


def parse_percent(text: str) -> float:
    """`5 %` as 0.05. Raises UsageProblem on anything else."""
    return _parse(text, {"%": 0.01}, "a percentage such as 5 %")


def _parse(text: str, units: dict[str, float] | dict[str, int], expected: str) -> float:
    match = _NUMBER_AND_UNIT.match(text)
    if match is None or match.group(2) not in units:
        raise UsageProblem(f"cannot read {text!r}", hint=f"expected {expected}")
    return float(match.group(1)) * units[match.group(2)]


def _three_digits(value: float) -> str:
    size = abs(value)
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:.{digits}f}"
