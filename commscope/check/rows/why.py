"""The culprit in words: two sides -> which collective, phase, layer and rank moved more, or which rank
was slower."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from commscope.check.samples.sides import Sides
from commscope.check.samples.snapshot import Moved, Snapshot
from commscope.compare.measures.moved import UNATTRIBUTED
from commscope.compare.result import Difference
from commscope.units import format_bytes, format_count, format_ranks

MOST, MOST_LAYERS = 3, 5


@dataclass(frozen=True, slots=True)
class Context:
    """What a reason is made of."""

    sides: Sides
    differences: tuple[Difference, ...] = ()
    command: str = ""
    load_doubt: str = ""  # other programs kept the machine busy: wall times are no proof


def why_moved(metric: str, context: Context) -> str:
    """The largest changes in what is issued, and the settings of the layout that differ."""
    suffix = metric.split("/")[1:]
    changes = [row for row in moved_changes(context.sides) if _concerns(row, suffix)]
    if metric.startswith("communication."):
        changes.sort(key=lambda row: -abs((row.after - row.before) * (row.payload_bytes or 0)))
    words = [change_words(row) for row in changes[:MOST]]
    if len(changes) > MOST:
        words.append(f"and {len(changes) - MOST} more")
    return "; ".join([*words, *layout_words(context.differences)])


@dataclass(frozen=True, slots=True)
class Change:
    """Collectives of one kind that a step issues more or less often than before, summed over layers."""

    phase: str
    collective: str
    role: str | None
    dtype: str | None
    payload_bytes: int | None
    before: float
    after: float
    layers: tuple[int | None, ...]
    ranks: tuple[int, ...]
    is_everywhere: bool
    groups: tuple[str, ...] = ()  # names of groups that issue them, before or after


def moved_changes(sides: Sides) -> list[Change]:
    """What is issued more or less often per step and rank, the largest change first."""
    if not sides.baseline or not sides.candidate:
        return []
    before, after = _counts(sides.baseline[0]), _counts(sides.candidate[0])
    changed: dict[tuple[object, ...], list[tuple[int | None, int]]] = {}
    for key in {*before, *after}:
        if before.get(key, 0) != after.get(key, 0):
            *kind, layer, rank = key
            changed.setdefault(tuple(kind), []).append((layer, rank))  # type: ignore[arg-type]
    ranks = sides.candidate[0].ranks
    groups = _groups(sides)
    rows = [
        replace(_change(kind, places, (before, after), ranks), groups=groups.get(kind, ()))
        for kind, places in changed.items()
    ]
    return sorted(
        rows, key=lambda row: (-abs(row.after - row.before), row.phase, row.collective, str(row.role))
    )


def _counts(run: Snapshot) -> Counter[tuple[object, ...]]:
    counts: Counter[tuple[object, ...]] = Counter()
    for row in run.moved:
        for rank in row.ranks:
            counts[(*_kind(row), row.layer, rank)] += row.count  # type: ignore[assignment]
    return counts


def _groups(sides: Sides) -> dict[tuple[object, ...], tuple[str, ...]]:
    """Names of the groups that issue collectives of a kind."""
    found: dict[tuple[object, ...], set[str]] = {}
    for row in (*sides.baseline[0].moved, *sides.candidate[0].moved):
        if row.group:
            found.setdefault(_kind(row), set()).add(row.group)
    return {kind: tuple(sorted(names)) for kind, names in found.items()}


def _kind(row: Moved) -> tuple[object, ...]:
    return (row.phase or UNATTRIBUTED, row.collective, row.role, row.dtype, row.payload_bytes)


def _change(
    kind: tuple[object, ...],
    places: Sequence[tuple[int | None, int]],
    counts: tuple[Mapping[tuple[object, ...], float], Mapping[tuple[object, ...], float]],
    ranks: tuple[int, ...],
) -> Change:
    phase, collective, role, dtype, payload = kind
    concerned = tuple(sorted({rank for _, rank in places}))
    before, after = (
        sum(n for key, n in side.items() if key[: len(kind)] == kind and key[-1] in concerned)
        / len(concerned)
        for side in counts
    )
    layers = tuple(sorted({layer for layer, _ in places}, key=lambda layer: (layer is None, layer)))
    return Change(
        phase=str(phase),
        collective=str(collective),
        role=None if role is None else str(role),
        dtype=None if dtype is None else str(dtype),
        payload_bytes=None if payload is None else int(str(payload)),
        before=before,
        after=after,
        layers=layers,
        ranks=concerned,
        is_everywhere=set(ranks) <= set(concerned),
    )


def _concerns(row: Change, suffix: list[str]) -> bool:
    return all(
        part == value for part, value in zip(suffix, (row.collective, row.phase, row.role), strict=False)
    )


def change_words(row: Change) -> str:
    """`all_gather in backward 0 -> 1 a step (role tp, 4.00 KiB, layers 1)`."""
    size = "" if row.payload_bytes is None else format_bytes(row.payload_bytes)
    role = f"role {row.role}" if row.role else ""
    groups = "" if row.groups in {(), (row.role,)} else f"group {', '.join(row.groups[:MOST])}"
    where = _layers(row.layers) if any(layer is not None for layer in row.layers) else ""
    ranks = "every rank" if row.is_everywhere else f"{format_ranks(row.ranks)} only"
    details = ", ".join(part for part in (role, groups, size, where, ranks) if part)
    counts = f"{format_count(row.before)} → {format_count(row.after)}"
    return f"{row.collective} in {row.phase} {counts} a step ({details})"


def _layers(layers: Sequence[int | None]) -> str:
    known = [layer for layer in layers if layer is not None]
    whole = known == list(range(known[0], known[-1] + 1)) and len(known) > 1
    text = f"{known[0]}-{known[-1]}" if whole else ", ".join(map(str, known[:MOST_LAYERS]))
    told = f"layer {text}" if len(known) == 1 else f"layers {text}"
    return f"{told} and outside layers" if None in layers else told


def layout_words(differences: Iterable[Difference]) -> list[str]:
    """Settings of the layout that differ."""
    rows = [row for row in differences if row.field.startswith("layout.")]
    return [f"{row.field} {row.baseline} → {row.candidate}" for row in rows]
