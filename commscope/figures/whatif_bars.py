"""A step replayed: Outcome -> the critical path by kind of time, as recorded and as it would be."""

from __future__ import annotations

import plotly.graph_objects as go

from commscope.figures.drawing.cells import Row
from commscope.figures.drawing.theme import PATH_KINDS, base, look_of, marker
from commscope.units import axis_time, format_time
from commscope.whatif import Outcome

TITLE = "The critical path, recorded and replayed"


def draw(outcome: Outcome) -> go.Figure:
    """Two stacked bars over the kinds of time on the path."""
    divisor, unit = axis_time(max(outcome.before_ns, outcome.after_ns))
    figure = base(f"{TITLE} ({outcome.window})", height=220)
    for kind in dict.fromkeys((*outcome.before.by_kind_ns, *outcome.after.by_kind_ns)):
        look = look_of(PATH_KINDS, kind)
        times_ns = [path.by_kind_ns.get(kind, 0) for path in (outcome.before, outcome.after)]
        if not any(times_ns):
            continue
        figure.add_bar(
            orientation="h",
            y=["recorded", "replayed"],
            x=[time_ns / divisor for time_ns in times_ns],
            name=look.word,
            marker=marker(look),
            customdata=[format_time(time_ns) for time_ns in times_ns],
            hovertemplate="%{y}: " + look.word + " %{customdata}<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title_text=f"{unit} on the critical path")
    figure.update_yaxes(autorange="reversed")
    return figure


def caption(outcome: Outcome) -> str:
    """The finding: the step before and after, and what it consists of then."""
    after, before = format_time(outcome.after_ns), format_time(outcome.before_ns)
    if outcome.after_ns == outcome.before_ns:
        return f"The step takes {before} in both; its path is mostly {outcome.becomes_critical}."
    then = f"its path would then be mostly {outcome.becomes_critical}"
    return f"The step would take {after} instead of {before}; {then}."


def table(outcome: Outcome) -> list[Row]:
    """Time on the path before and after, by kind, rank, phase and collective."""
    rows: list[Row] = []
    before, after = outcome.before, outcome.after
    groups = (
        ("kind", before.by_kind_ns, after.by_kind_ns),
        ("rank", _named(before.by_rank_ns), _named(after.by_rank_ns)),
        ("phase", before.by_phase_ns, after.by_phase_ns),
        ("collective", before.by_collective_ns, after.by_collective_ns),
    )
    for by, old, new in groups:
        rows += [
            {"by": by, "part": part, "recorded_ns": old.get(part, 0), "replayed_ns": new.get(part, 0)}
            for part in dict.fromkeys((*old, *new))
        ]
    return rows


def _named(by_rank_ns: dict[int, int]) -> dict[str, int]:
    return {f"rank {rank}": time_ns for rank, time_ns in by_rank_ns.items()}
