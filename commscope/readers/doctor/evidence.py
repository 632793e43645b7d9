"""What the doctor says of matching across ranks: which evidence a run offers, strongest first."""

from __future__ import annotations

from collections.abc import Sequence

from commscope.readers.doctor.finding import FINE, WARN, Finding, all_of, steps_in_words
from commscope.readers.doctor.health import RankHealth
from commscope.trace import RunInfo

ENOUGH = 0.95


def evidence(ranks: Sequence[RankHealth], info: RunInfo) -> tuple[Finding, ...]:
    """Which evidence there is to match collectives over ranks.

    Nothing where there is one rank, or no communication.
    """
    offers = [rank.offers for rank in ranks]
    if len(ranks) < 2 or not any(rank.told.whole for rank in ranks):
        return ()
    common = len(set.intersection(*(set(rank.steps) for rank in ranks)))
    is_told = sum(rank.told.part for rank in ranks) >= ENOUGH * sum(rank.told.whole for rank in ranks)
    records, messages = sum(one.records for one in offers), sum(one.messages for one in offers)
    identified = is_told and 0 < ENOUGH * records <= sum(one.identified for one in offers)
    numbered = is_told and 0 < ENOUGH * records <= sum(one.numbered for one in offers)
    addressed = 0 < ENOUGH * messages <= sum(one.addressed for one in offers)
    clocks = len(info.clocks)
    offered = {
        "Comms Id": identified,
        "group and sequence number": numbered,
        f"the place in {steps_in_words(common)} that all ranks mark": common > 0,
        "the order of messages on channels whose ends they name": addressed,
        "groups that the run lists": len(info.groups) > 0,
        "clocks that the recorder read": clocks == len(ranks),
    }
    found = [what for what, is_there in offered.items() if is_there]
    facts = {
        "group_and_sequence": numbered,
        "common_steps": common,
        "clocks_read": clocks,
        "comms_id": identified,
        "messages": messages,
        "messages_addressed": sum(one.addressed for one in offers),
        "groups": len(info.groups),
    }
    if identified or numbered or common:
        return (Finding("evidence", FINE, f"matching can stand on {', '.join(found)}", facts=facts),)
    beside = f", beside {', '.join(found)}" if found else ""
    return (
        Finding(
            "evidence_thin",
            WARN,
            f"matching can only stand on ends that agree and on neighbours that are matched{beside}",
            all_of(ranks),
            cost="collectives that could as well be others stay unmatched; sends and receives do",
            hint="mark the steps (prof.step(), or ranges `step N`) on every rank",
            facts=facts,
        ),
    )
