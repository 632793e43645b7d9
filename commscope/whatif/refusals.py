"""When a run does not tell what would happen: takes Analysis and Scenario, raises."""

from __future__ import annotations

from commscope.analysis.result import Analysis
from commscope.errors import IncompleteTrace, UsageProblem
from commscope.units import format_ranks
from commscope.whatif.scenario import Scenario

_UNTIED = ("no_clock", "clock_infeasible", "clock_untied")


def refuse_unreplayable(analysis: Analysis, scenario: Scenario) -> None:
    """Raises IncompleteTrace where ranks that wait for each other were not recorded together, UsageProblem
    for a rank that was not recorded.
    """
    where, present = str(analysis.run.path), {one.rank for one in analysis.skeletons}
    if not present and any(gap.code in _UNTIED for gap in analysis.gaps):
        raise IncompleteTrace(
            "nothing to replay: no matched collective ties the ranks' clocks",
            where=where,
            hint="record a step in which all ranks meet, or synchronise the hosts' clocks",
        )
    if not present:
        raise IncompleteTrace(
            "nothing to replay: no rank of this run has a happens-before graph",
            where=where,
            hint="analyze the traces themselves; a saved analysis does not hold the graph",
        )
    named = {scale.rank for scale in scenario.scales} | set(scenario.stragglers)
    unknown = sorted({rank for rank in named if rank is not None} - present)
    if unknown:
        raise UsageProblem(
            f"there is no {format_ranks(unknown)} in this run",
            where=where,
            hint=f"it has {format_ranks(sorted(present))}",
        )
    if len(present) == 1 and _ranks_of(analysis) > 1:
        raise IncompleteTrace(
            f"nothing to replay: {format_ranks(sorted(present))} waited for ranks that were not recorded",
            where=where,
            hint="record every rank: only then is waiting told from transfer",
        )
    if len(present) == 1 and scenario.compares_ranks:
        raise IncompleteTrace(
            "nothing to compare: this run has one rank", where=where, hint="scale its own time with --scale"
        )
    if not analysis.critical_paths:
        raise IncompleteTrace(
            "nothing to replay: the ranks' captures have no moment in common",
            where=where,
            hint="ranks of two runs in one folder? else synchronise the hosts' clocks",
        )


def _ranks_of(analysis: Analysis) -> int:
    """How many ranks took part, as far as anything tells."""
    sizes = analysis.instances["group_size"].dropna().tolist()
    return max([analysis.run.world_size or 1, len(analysis.ranks), *(int(size) for size in sizes)])
