"""Recordings of two sides -> Comparison: comparability first, then numbers, then the words that say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from commscope.analysis.result import Analysis
from commscope.compare.comparability import counts_make_sense, differences_between, facts_of, unknown_facts
from commscope.compare.measures.other_load import load_words
from commscope.compare.measures.utilisation import utilisation_of
from commscope.compare.metrics import Allowed, metrics_of
from commscope.compare.recordings import Recordings, name_of, path_of, recordings_of
from commscope.compare.result import Comparison
from commscope.compare.words.verdict import findings_of, headline_of


def compare(baseline: Analysis, candidate: Analysis) -> Comparison:
    """Which run is better, by how much, and why; incomparable runs keep the numbers that make sense."""
    return compare_recordings([baseline], [candidate])


def compare_recordings(
    baseline: Sequence[Analysis], candidate: Sequence[Analysis], *, gpu: str | None = None
) -> Comparison:
    """The same for several recordings a side, which is what a claim about times needs.

    `gpu` names the device whose peak utilisation is of, where the recordings do not. Raises UsageProblem
    where the recordings of a side are not of one configuration.
    """
    sides = (recordings_of(baseline), recordings_of(candidate))
    before, after = (facts_of(side.typical) for side in sides)
    differences = differences_between(before, after)
    comparable = not any(row.breaks for row in differences)
    names = _names(*sides)
    load = load_words(names, [[run.run for run in side.runs] for side in sides])
    allowed = Allowed(timed=comparable, exact=counts_make_sense(differences), doubt=load)
    facts = Comparison(
        baseline=sides[0].typical,
        candidate=sides[1].typical,
        names=names,
        comparable=comparable,
        differences=differences,
        metrics=metrics_of(*sides, allowed),
        unknown=unknown_facts(before, after),
        recordings=(len(baseline), len(candidate)),
        load_words=load,
        utilisation=tuple(utilisation_of(side.typical, gpu) for side in sides),
    )
    return replace(facts, headline=headline_of(facts), findings=findings_of(facts))


def _names(baseline: Recordings, candidate: Recordings) -> tuple[str, str]:
    """The runs without the number of a repetition; paths where names agree."""
    before, after = name_of(baseline), name_of(candidate)
    if before != after:
        return before, after
    return path_of(baseline), path_of(candidate)
