"""What a decoded trace lost, in words: takes what the decoder counted, gives gaps."""

from __future__ import annotations

import re
from typing import Any

from commscope.readers.chrome.decode import Decoded
from commscope.readers.files.blocks import Damage
from commscope.trace import Gap


def gaps_of(rank: int, decoded: Decoded, damage: Damage) -> tuple[Gap, ...]:
    """Every loss, with its count and what it costs."""
    return (*_of_file(rank, decoded, damage), *_of_events(rank, decoded))


def _of_file(rank: int, decoded: Decoded, damage: Damage) -> list[Gap]:
    gaps = []

    def add(code: str, message: str, **more: Any) -> None:
        gaps.append(Gap(code, message, (rank,), **more))

    near_end = "times and counts near the end are too small"
    again = "copy the file again, or record again"
    if damage.too_large:
        add(
            "too_large",
            "the compressed file expands beyond the limit and was read up to there",
            cost=near_end,
        )
    elif damage.corrupt:
        add(
            "corrupt",
            "the compressed file is damaged; events after the damage are lost",
            cost=near_end,
            hint=again,
        )
    elif decoded.counts["truncated"] or damage.truncated:
        add(
            "truncated",
            "the file ends in the middle; what came before the end was kept",
            cost=near_end,
            hint=again,
        )
    if decoded.bad_meta:
        add(
            "bad_metadata",
            "the facts beside the events cannot be read",
            cost="rank, groups and clock base may be missing",
        )
    return gaps


def _of_events(rank: int, decoded: Decoded) -> list[Gap]:
    gaps = []
    counts = decoded.counts

    def add(code: str, message: str, **more: Any) -> None:
        gaps.append(Gap(code, message, (rank,), **more))

    if counts["bad"]:
        add(
            "bad_events",
            f"{counts['bad']} events cannot be read and are left out",
            cost="what they stood for is missing",
        )
    if counts["negative_duration"]:
        add(
            "negative_durations",
            f"{counts['negative_duration']} events end before they start: taken as length 0",
        )
    if counts["no_duration"]:
        add(
            "no_durations",
            f"{counts['no_duration']} complete events have no duration: taken as length 0",
            serious=False,
        )
    if decoded.other:
        device = {cat: count for cat, count in decoded.other.items() if _OF_DEVICE.search(cat.lower())}
        rest = {cat: count for cat, count in decoded.other.items() if cat not in device}
        if device:
            add(
                "device_events_unread",
                f"a device's events are of kinds that cannot be read: {_spoken(device)}",
                cost="what ran there is missing: no times of its compute and communication",
                hint="open an issue with the names of these kinds",
            )
        if rest:
            add("other_events", f"events of kinds that are not used: {_spoken(rest)}", serious=False)
    if decoded.halves:
        add(
            "half_events",
            f"{decoded.halves} begin and end events are asynchronous or lack their other half: not used",
        )
    if not counts["events"]:
        add(
            "no_events",
            "the trace holds no events",
            hint="the profiler's schedule may never have been active",
        )
    return gaps


# Work on accelerators that Kineto's backends write under names of their own; runtime calls are the host's.
_OF_DEVICE = re.compile(
    r"^(?!.*(runtime|driver|overhead|user_annotation|python|sync)).*"
    r"(kernel|device|gpu|xpu|npu|hpu|mtia|privateuse1|hccl|xccl|memcpy|memset|stream)"
)


def _spoken(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} of `{cat}`" for cat, count in sorted(kinds.items())[:6])
