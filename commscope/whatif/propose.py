"""What to do first: Analysis and a window -> proposals with the gain that the replay computes, ranked.

Proposed is only what the trace supports: taking out the delays of a rank that others waited for, hiding a
collective whose transfer lies on the path (at most: nothing says that there is work to hide it behind), and
keeping what sequence parallelism gathers a second time. Below a hundredth of the window nothing is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from commscope.analysis.critical_path import RunGraph, run_graph
from commscope.analysis.naming import named_cause_words
from commscope.analysis.result import Analysis, Stall
from commscope.analysis.summary import instances_in
from commscope.schema import CAPTURE, Collective, Phase, Role
from commscope.units import format_bytes, format_percent, format_ranks
from commscope.whatif.replay import spans_with
from commscope.whatif.scenario import Scale, Scenario
from commscope.whatif.weights import new_weights

TRIED = 3  # ranks together, and collectives
NEARLY = 0.8  # of what taking out more delays gains
WORTH = 0.01  # of the window


@dataclass(frozen=True, slots=True)
class Proposal:
    """One thing to do; the scenario is what `commscope whatif` replays for it."""

    what: str
    gain_ns: int
    window_ns: int
    scenario: str
    is_limit: bool = False  # the gain is at most that

    @property
    def words(self) -> str:
        """`Take out rank 0's delays ...: -64.0 %.`"""
        least = "at most " if self.is_limit else ""
        return f"{self.what}: {least}{format_percent(-self.gain_ns / self.window_ns, signed=True)}."


@dataclass(frozen=True, slots=True)
class _Idea:
    what: str
    scenario: Scenario
    words: str
    is_limit: bool


def proposals(analysis: Analysis, window: str) -> tuple[Proposal, ...]:
    """The best of each kind, the largest gain first; empty where nothing can be replayed.

    Where fewer ranks gain nearly as much as more of them, those are told.
    """
    kinds = (
        (_delays(analysis, window), NEARLY),
        (_hidden(analysis, window), 1.0),
        (_kept(analysis, window), 1.0),
    )
    if not any(ideas for ideas, _ in kinds) or not analysis.skeletons or not analysis.critical_paths:
        return ()
    graph = run_graph(analysis.skeletons, analysis.instances, analysis.clock)
    found = []
    for ideas, share in kinds:
        tried = [_tried(idea, graph, analysis, window) for idea in ideas]
        best = max((one.gain_ns for one in tried), default=0)
        enough = [one for one in tried if one.gain_ns >= max(share * best, WORTH * one.window_ns)]
        found += enough[:1]
    return tuple(sorted(found, key=lambda one: -one.gain_ns))


def _tried(idea: _Idea, graph: RunGraph, analysis: Analysis, window: str) -> Proposal:
    weight = new_weights(graph, analysis.instances.reset_index(drop=True), idea.scenario)
    before, after = (
        next((one.span_ns for one in spans if one.name == window), 0)
        for spans in spans_with(graph, weight, analysis.windows)
    )
    return Proposal(idea.what, before - after, max(before, 1), idea.words, idea.is_limit)


def _delays(analysis: Analysis, window: str) -> list[_Idea]:
    """The ranks that were waited for most, one, two or three together, and all, no slower than the others."""
    stalls = [one for one in analysis.stalls if one.window == window]
    waited: Counter[int] = Counter()
    for one in stalls:
        waited[one.culprit] += one.wait_ns
    worst = [rank for rank, _ in waited.most_common()]
    ideas = []
    for count in range(1, min(TRIED, len(worst) - 1) + 1):
        ranks = tuple(sorted(worst[:count]))
        words = " ".join(f"--no-straggler {rank}" for rank in ranks)
        what = f"Take out the delays of {format_ranks(ranks)} before collectives"
        ideas.append(_Idea(what + _mostly(stalls, ranks), Scenario(stragglers=ranks), words, False))
    if len(worst) > 1:
        what = "Take out the delays of all ranks before collectives" + _mostly(stalls, worst)
        ideas.append(_Idea(what, Scenario(no_stragglers=True), "--no-stragglers", False))
    return ideas


def _mostly(stalls: Sequence[Stall], ranks: Sequence[int]) -> str:
    """What these ranks were late by, by name, for the longest."""
    names = named_cause_words([cause for one in stalls if one.culprit in ranks for cause in one.causes], 1)
    return f" (most of them: {names})" if names else ""


def _hidden(analysis: Analysis, window: str) -> list[_Idea]:
    """For the collectives whose transfer takes most of the path: hidden altogether."""
    paths = [one for one in analysis.critical_paths if one.window == window]
    told = analysis.instances["transfer_ns"].notna()
    whole = set(analysis.instances["collective"]) - set(analysis.instances.loc[~told, "collective"])
    on_path = Counter(paths[0].by_collective_ns) if paths else Counter()
    kinds = [kind for kind, time_ns in on_path.most_common() if time_ns and kind in whole]
    return [
        _Idea(
            f"Hide every {kind} behind compute",
            Scenario(scales=(Scale(kind, 0.0),)),
            f"--scale {kind}=0",
            True,
        )
        for kind in kinds[:TRIED]
    ]


def _kept(analysis: Analysis, window: str) -> list[_Idea]:
    """Sequence parallelism that gathers its inputs again in the backward: kept instead."""
    layout = analysis.run.layout
    if layout is None or not layout.sp or layout.sp_keep_gathered or layout.tp < 2:
        return []
    table = instances_in(analysis, window) if window != CAPTURE else analysis.instances
    gathers = table[(table["collective"] == Collective.ALL_GATHER) & (table["role"] == Role.SP)]
    ranks = max(1, gathers["rank"].nunique())
    forward, backward = (gathers[gathers["phase"] == phase] for phase in (Phase.FORWARD, Phase.BACKWARD))
    scattered = table[(table["collective"] == Collective.REDUCE_SCATTER) & (table["phase"] == Phase.FORWARD)]
    again = min(len(forward), len(backward) - len(scattered)) // ranks
    if again <= 0 or forward["payload_bytes"].isna().any():
        return []
    share = again * ranks / len(backward)
    kept_bytes = _shards(forward, layout.tp) * again * ranks / (len(forward) * ranks)
    what = (
        f"Keep what is gathered (--sp-keep-gathered): {again} second gathers a step fall away, "
        f"{format_bytes(kept_bytes)} less sent and as much more held by each rank"
    )
    words = f"--scale all_gather={1 - share:.3g}"
    return [_Idea(what, Scenario(scales=(Scale(str(Collective.ALL_GATHER), 1 - share),)), words, True)]


def _shards(gathers: pd.DataFrame, size: int) -> float:
    """Bytes that come from other ranks, of all gathers together."""
    return float(gathers["payload_bytes"].astype("int64").sum()) * (size - 1) / size
