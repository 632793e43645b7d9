"""Subjects made by hand, so that their numbers are known: for figures, HTML report and dashboard."""

from __future__ import annotations

import dataclasses
from functools import cache

import pandas as pd

from commscope.analysis.result import Analysis, Matching
from commscope.compare import Comparison, compare
from commscope.schema import MATCH_COLUMNS
from commscope.trace import Layout
from tests.analyses import make_analysis


@cache
def pair(*, late_ns: int = 5_000, **changes: object) -> tuple[Analysis, Analysis]:
    """TP=2 and TP=2 with SP, rank 1 late to every collective."""
    late = {1: late_ns}
    return (
        make_analysis(late_ns=late, overlapped=0.25, **changes),
        make_analysis(name="tp2-sp", layout=Layout(tp=2, sp=True), late_ns=late, overlapped=0.25, **changes),
    )


@cache
def comparison(**changes: object) -> Comparison:
    """The pair compared."""
    return compare(*pair(**changes))


def without_layout(result: Analysis) -> Analysis:
    """The same analysis of a program that records neither layout nor model."""
    return dataclasses.replace(result, run=dataclasses.replace(result.run, layout=None, model=None))


def without_matches(result: Analysis) -> Analysis:
    """The same analysis where nothing could be matched over the ranks and no memory was captured."""
    absent = pd.array([None] * len(result.instances), dtype="Int64")
    count = result.matching.instances
    return dataclasses.replace(
        result,
        instances=result.instances.assign(**dict.fromkeys(MATCH_COLUMNS, absent)),
        breakdown=tuple(
            dataclasses.replace(
                row, exposed_wait_ns=None, exposed_transfer_ns=None, exposed_unknown_ns=row.exposed_ns
            )
            for row in result.breakdown
        ),
        matching=Matching(count, 0, count, 0, "none"),
        stalls=(),
        critical_paths=(),
        memory=(),
        clock=None,
    )


def without_phases(result: Analysis) -> Analysis:
    """The same analysis of a trace that tells no phase."""
    return dataclasses.replace(result, instances=result.instances.assign(phase=None))


def empty(result: Analysis) -> Analysis:
    """The same run without any communication."""
    bare = without_matches(result)
    return dataclasses.replace(
        bare,
        instances=bare.instances.iloc[:0],
        breakdown=tuple(
            dataclasses.replace(
                row, compute_ns=row.span_ns, communication_ns=0, overlapped_ns=0, exposed_ns=0
            )
            for row in bare.breakdown
        ),
    )
