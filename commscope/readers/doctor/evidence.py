"""What the doctor says of matching across ranks: which evidence a run offers, strongest first."""

from __future__ import annotations

from collections.abc import Sequence

from commscope.readers.doctor.finding import FINE, WARN, Finding, all_of, steps_in_words
from commscope.readers.doctor.health import RankHealth

ENOUGH = 0.95


def evidence(ranks: Sequence[RankHealth], clocks: Sequence[str]) -> tuple[Finding, ...]:
    """Which evidence there is to match collectives over ranks; `clocks` are the ranks whose clocks were read.

    Nothing where there is one rank, or no communication.
    """
    if len(ranks) < 2 or not any(rank.told.whole for rank in ranks):
        return ()
    common = set.intersection(*(set(rank.steps) for rank in ranks))
    told = sum(rank.told.part for rank in ranks) >= ENOUGH * sum(rank.told.whole for rank in ranks)
    numbered = told and any(rank.backend != "gloo" for rank in ranks)
    offers = {
        "group and sequence number": numbered,
        f"the place in {steps_in_words(len(common))} that all ranks mark": bool(common),
        "clocks that the recorder read": len(clocks) == len(ranks),
    }
    found = [what for what, offered in offers.items() if offered]
    facts = {"group_and_sequence": numbered, "common_steps": len(common), "clocks_read": len(clocks)}
    if numbered or common:
        return (Finding("evidence", FINE, f"matching can stand on {', '.join(found)}", facts=facts),)
    return (
        Finding(
            "evidence_thin",
            WARN,
            "matching can only stand on ends that agree and on neighbours that are matched",
            all_of(ranks),
            cost="collectives that could as well be others stay unmatched; sends and receives do",
            hint="mark the steps (prof.step(), or ranges `step N`) on every rank",
            facts=facts,
        ),
    )
