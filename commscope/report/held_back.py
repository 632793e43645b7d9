"""What holds a run back: takes Analysis and a window, gives the sentence on what halving each kind saves.

A share of one path is no bottleneck where a second path is as long, so the replay is asked. One cause is
named only where halving it gives a tenth of the time and twice what any other gives.
"""

from __future__ import annotations

from commscope.analysis.result import Analysis
from commscope.analysis.summary import instances_in, longest_span_ns
from commscope.units import format_percent
from commscope.whatif import halving_gains

WORDS = {
    "compute": "compute",
    "transfer": "the network",
    "host": "the host",
    "copy": "copies",
    "latency": "launches and hand-overs",
    "idle": "what was not recorded",
}
UNTOLD = {"transfer": "communication"}  # waiting is not told from it
WHOM = " or ranks it waited for"
ALWAYS = ("compute", "host", "transfer")
WORTH, LEAD = 0.1, 2.0
SMALL = 0.01


def held_back(analysis: Analysis, window: str) -> str | None:
    """The sentence, or None where nothing can be replayed."""
    gains = halving_gains(analysis, window)
    if not gains:
        return None
    words = WORDS if _waits_told(analysis, window) else WORDS | UNTOLD
    order = sorted(gains, key=lambda kind: -gains[kind])
    told = [kind for kind in order if kind in ALWAYS or gains[kind] >= SMALL]
    saved = ", ".join(f"{words[kind]} {format_percent(gains[kind])}" for kind in told)
    note = "" if words is WORDS else "; communication may be waiting for other ranks"
    unrecorded = _unrecorded(analysis, window)
    if unrecorded >= WORTH:
        note += f"; nothing recorded explains {format_percent(unrecorded)} of the path"
    untied = _untied(analysis, window)
    if untied >= WORTH:
        note += f"; what a rank waited {format_percent(untied)} of its time for is not known"
    first, second = order[:2]
    clear = gains[first] >= max(WORTH, LEAD * gains[second], LEAD * unrecorded / 2, LEAD * untied / 2)
    if not clear or first == "idle":
        return f"Held back by no single cause: halving saves, of the time, {saved}{note}."
    named = words[first] + (WHOM if words[first] == UNTOLD["transfer"] else "")
    return f"Held back by {named}: halving saves, of the time, {saved}{note}."


def _unrecorded(analysis: Analysis, window: str) -> float:
    """The share of the path that nothing recorded explains: halving its cause might save half of it."""
    path = next((one for one in analysis.critical_paths if one.window == window and one.length_ns), None)
    return path.by_kind_ns.get("idle", 0) / path.length_ns if path else 0.0


def _untied(analysis: Analysis, window: str) -> float:
    """The largest share of a rank's time in which it waited for nobody knows whom: no replay shows what
    would shorten that.
    """
    table = instances_in(analysis, window)
    alone = table[table["instance"].isna()]
    waited = alone["least_wait_ns"].fillna(0).groupby(alone["rank"]).sum()
    return float(waited.max()) / max(1, longest_span_ns(analysis, window)) if len(waited) else 0.0


def _waits_told(analysis: Analysis, window: str) -> bool:
    """Whether every collective's transfer is told from its waiting."""
    told = instances_in(analysis, window)["transfer_ns"].notna()
    return not analysis.missing_ranks and bool(told.all())
