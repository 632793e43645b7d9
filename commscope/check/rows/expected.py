"""Expectations against the runs of one configuration: Expectation and Snapshots -> Row. No baseline is
needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from commscope.check.result import Row
from commscope.check.rules.budgets import Expectation
from commscope.check.rules.expect import theory_metric
from commscope.check.rules.limits import Limit, check_unit, format_amount
from commscope.check.samples.sides import Sides, measurements, middle, reason
from commscope.check.samples.snapshot import Snapshot
from commscope.schema import ring_wire_bytes

_HOLDS = {
    "==": lambda found, wanted: found == wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">=": lambda found, wanted: found >= wanted,
    "<": lambda found, wanted: found < wanted,
    ">": lambda found, wanted: found > wanted,
}


def expectation_row(rule: Expectation, runs: Sequence[Snapshot]) -> Row:
    """Whether every run keeps the rule; what cannot be told is missing, never kept."""
    metric = Sides((), tuple(runs)).recorded_as(rule.metric)
    name = f"{rule.metric} per layer" if rule.per_layer else rule.metric
    row = Row(name, rule.level, "missing", None, None, f"expect {rule.text}", kind="exact")
    found = measurements(runs, metric)
    if len(found) < len(runs) and not rule.per_layer:
        zero = _is_zero(runs, metric)
        return (
            _held(replace(row, unit=_unit(metric)), rule, 0, runs)
            if zero
            else replace(row, level="error", why=reason(runs, metric))
        )
    if found:
        row = replace(row, unit=found[0].unit, kind=found[0].kind)
    if rule.per_layer:
        return _per_layer(row, rule, runs)
    return _held(row, rule, middle(runs, metric), runs)


def _held(row: Row, rule: Expectation, found: float | None, runs: Sequence[Snapshot]) -> Row:
    wanted, why = _wanted(rule, runs)
    row = replace(row, baseline=wanted, candidate=found)
    if wanted is None or found is None:
        return replace(row, level="error", why=why)
    if rule.unit and row.unit:
        check_unit_of(rule, row.unit)
    values = [one.value for one in measurements(runs, Sides((), tuple(runs)).recorded_as(rule.metric))] or [
        found
    ]
    if all(value is not None and _HOLDS[rule.relation](value, wanted) for value in values):
        return replace(row, status="ok")
    return replace(row, status="broken", why=_broken(row, rule, runs))


def check_unit_of(rule: Expectation, unit: str) -> None:
    """An amount must be in the metric's own unit."""
    check_unit(Limit(rule.text, amount=rule.value or 0.0, unit=rule.unit), unit, f"expect.{rule.metric}")


def _wanted(rule: Expectation, runs: Sequence[Snapshot]) -> tuple[float | None, str]:
    if rule.is_theory:
        name = theory_metric(rule.metric) or ""
        total = name.split("/", maxsplit=1)[0]
        value = middle(runs, name)
        if value is None and middle(runs, total) is not None:
            return 0, ""
        return value, reason(runs, total) or "no closed form for this layout"
    if rule.share_of is None:
        return rule.value, ""
    other = Sides((), tuple(runs)).recorded_as(rule.share_of)
    whole = middle(runs, other)
    return (None, reason(runs, other)) if whole is None else ((rule.value or 0.0) * whole, "")


def _broken(row: Row, rule: Expectation, runs: Sequence[Snapshot]) -> str:
    found, wanted = (format_amount(value, row.unit) for value in (row.candidate, row.baseline))
    where = _theory_difference(rule, runs) if rule.is_theory else ""
    return f"{found}, expected {rule.relation} {wanted}{where}"


def _theory_difference(rule: Expectation, runs: Sequence[Snapshot]) -> str:
    """Where counts and the closed form part, by collective and phase."""
    run = runs[0]
    names = {name for name in run.measured if name.startswith(f"{rule.metric}/") and name.count("/") == 2}
    names |= {
        name.replace("theory.", f"{rule.metric.split('.')[0]}.", 1)
        for name in run.measured
        if name.startswith(f"{theory_metric(rule.metric)}/") and name.count("/") == 2
    }
    parts = []
    for name in sorted(names):
        found = middle(runs, name) or 0
        wanted = middle(runs, theory_metric(name) or "") or 0
        if found != wanted:
            unit = run.measured[name].unit if name in run.measured else "bytes"
            words = f"{format_amount(found, unit)} for {format_amount(wanted, unit)}"
            parts.append(f"{name.split('/', 1)[1]} {words}")
    return f"; {', '.join(parts[:3])}" if parts else ""


def _per_layer(row: Row, rule: Expectation, runs: Sequence[Snapshot]) -> Row:
    """Instances inside layers only, in every layer and on every rank."""
    wanted, why = _wanted(replace(rule, per_layer=False), runs)
    if wanted is None:
        return replace(row, level="error", why=why)
    row = replace(row, baseline=wanted, unit=_unit(rule.metric))
    for run in runs:
        layers = _by_layer(run, rule.metric)
        if not layers:
            return replace(row, level="error", why=f"{run.name}: layers cannot be told from this trace")
        odd = [place for place, value in layers.items() if not _HOLDS[rule.relation](value, wanted)]
        if odd:
            layer, rank = odd[0]
            found = format_amount(layers[odd[0]], row.unit)
            why = f"layer {layer} on rank {rank}: {found}, expected {rule.relation} "
            why += format_amount(wanted, row.unit)
            return replace(row, status="broken", candidate=layers[odd[0]], why=why)
        row = replace(row, candidate=max(layers.values()))
    return replace(row, status="ok")


def _by_layer(run: Snapshot, metric: str) -> dict[tuple[int, int], float]:
    """Layer and rank -> count or bytes of the collectives a metric's name covers."""
    head, *suffix = metric.split("/")
    known = [row for row in run.moved if row.layer is not None]
    if not known:
        return {}
    count = max(row.layer for row in known if row.layer is not None) + 1
    sums = {(layer, rank): 0.0 for layer in range(run.layers or count) for rank in run.ranks}
    for row in known:
        if all(a == b for a, b in zip(suffix, (row.collective, row.phase, row.role), strict=False)):
            for rank in row.ranks:
                sums[row.layer or 0, rank] += row.count * _weight(
                    head, row.collective, row.payload_bytes, run
                )
    return sums


def _weight(head: str, collective: str, payload_bytes: int | None, run: Snapshot) -> int:
    if head == "collective.count":
        return 1
    if head == "communication.payload_bytes":
        return payload_bytes or 0
    return ring_wire_bytes(collective, payload_bytes or 0, run.world_size or len(run.ranks))


def _unit(metric: str) -> str:
    return "bytes" if "bytes" in metric else "count" if metric.startswith("collective.count") else "ns"


def _is_zero(runs: Sequence[Snapshot], metric: str) -> bool:
    """A collective that never occurred counts zero where the total was counted."""
    head, slash, _ = metric.partition("/")
    known = head in {"collective.count", "communication.payload_bytes", "communication.wire_bytes"}
    never = all(metric not in run.measured for run in runs)
    return bool(slash) and known and never and middle(runs, head) is not None
