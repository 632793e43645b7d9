"""Why wire bytes changed: Comparison -> phase, collectives and the known habit behind it, in words."""

from __future__ import annotations

from commscope.analysis.result import Analysis
from commscope.compare.measures.measurement import study_windows
from commscope.compare.measures.moved import UNATTRIBUTED, WIRE
from commscope.compare.result import Comparison, Metric
from commscope.schema import Collective, Phase
from commscope.units import format_count

MOST = 0.8  # a phase with this share of the change is named alone


def why_wire_bytes_changed(comparison: Comparison) -> str:
    """The phases with most of the change, what they issue, and whether it is Megatron's second gather."""
    wire = comparison.metric(WIRE)
    parts = _parts(comparison)
    if wire is None or not parts:
        return "and phases cannot be told"
    total = (wire.candidate or 0) - (wire.baseline or 0)
    by_phase = {phase: sum(_delta(metric) for metric in metrics) for phase, metrics in parts.items()}
    share = {phase: delta / total for phase, delta in by_phase.items()} if total else {}
    leading = max(share, key=lambda phase: share[phase], default=None)
    if leading is None:
        return "and phases cannot be told"
    phases = [leading] if share[leading] >= MOST else [p for p in share if share[p] > 0]
    where = f"{_mostly(share, phases)} in {' and '.join(phases)}"
    return f"{where} ({_issued(comparison, phases)}){_habit(comparison)}"


def second_gathers(analysis: Analysis) -> int:
    """How often a step's backward gathers again what forward gathered, as Megatron's SP does.

    Backward must gather once for each reduce-scatter of forward. When it gathers at least as often again as
    forward did, over the same group, those are second gathers of the inputs of column-parallel linears.
    """
    table = analysis.instances
    windows = study_windows(analysis)
    found = 0
    own = table[(table["rank"] == min(analysis.ranks, default=0)) & (table["role"].fillna("") != "dp")]
    if windows != ("capture",):
        own = own[own["window"].isin(windows)]
    for _, rows in own.groupby("group", dropna=False):
        counts = rows.groupby(["collective", "phase"]).size().to_dict()
        gathered = counts.get((Collective.ALL_GATHER, Phase.FORWARD), 0)
        scattered = counts.get((Collective.REDUCE_SCATTER, Phase.FORWARD), 0)
        again = counts.get((Collective.ALL_GATHER, Phase.BACKWARD), 0)
        if gathered and scattered and again >= gathered + scattered:
            found += int(gathered)
    return found // len(windows)


def _parts(comparison: Comparison) -> dict[str, list[Metric]]:
    """Wire-byte metrics of each collective by phase, where both sides are known."""
    parts: dict[str, list[Metric]] = {}
    for metric in comparison.metrics:
        pieces = metric.metric.split("/")
        known = metric.baseline is not None and metric.candidate is not None
        if pieces[0] == WIRE and len(pieces) == 3 and known:
            parts.setdefault(pieces[2], []).append(metric)
    return {} if set(parts) <= {UNATTRIBUTED} else parts


def _delta(metric: Metric) -> float:
    return (metric.candidate or 0) - (metric.baseline or 0)


def _mostly(share: dict[str, float], phases: list[str]) -> str:
    covered = sum(share[phase] for phase in phases)
    return "all" if 0.995 <= covered <= 1.005 else "mostly"


def _issued(comparison: Comparison, phases: list[str]) -> str:
    """`all_gather 0 → 10, all_reduce 5 → 0`; of several phases each is named."""
    told = [(phase, words) for phase in phases if (words := _issued_in(comparison, phase))]
    if len(phases) == 1 or not told:
        return told[0][1] if told else "the same collectives, of other sizes"
    return "; ".join(f"{phase}: {words}" for phase, words in told)


def _issued_in(comparison: Comparison, phase: str) -> str:
    found = (metric for metric in comparison.metrics if metric.metric.startswith("collective.count/"))
    pairs = [(metric, metric.metric.split("/")) for metric in found if metric.baseline != metric.candidate]
    return ", ".join(
        f"{pieces[1]} {format_count(metric.baseline)} → {format_count(metric.candidate)}"
        for metric, pieces in pairs
        if len(pieces) == 3 and pieces[2] == phase
    )


def _habit(comparison: Comparison) -> str:
    before, after = second_gathers(comparison.baseline), second_gathers(comparison.candidate)
    if after > before:
        what = "inputs of column-parallel linears are gathered a second time, as Megatron's SP does"
        return f", where {after} {what}"
    if before > after:
        return f", as {before} inputs of column-parallel linears are no longer gathered a second time"
    return ""
