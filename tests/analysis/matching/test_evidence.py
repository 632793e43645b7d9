"""Each instance says which evidence proved it, and what told who takes part; docs/matching.md has the same examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commscope.analysis.join import join
from commscope.analysis.matching import MEMBERS_BY, PROOFS, match
from commscope.analysis.matching.match import Matched
from commscope.analysis.rows import rows_of
from commscope.report.contract import analysis_document
from commscope.report.matched import matched_words
from commscope.schema import MATCH_COLUMNS, MembersBy, Proof
from commscope.trace import RunInfo
from tests.analysis.matching.test_lanes import SETS, mesh
from tests.analysis.matching.test_match import matched, row
from tests.analysis.tables import analyses, table

BROADCAST = {"collective": "broadcast", "payload_bytes": 64}
SEND = {"collective": "send", "is_p2p": True, "payload_bytes": 64}
RECV = {**SEND, "collective": "recv"}
BETWEEN = [row(rank, start, start + 10) for rank in (0, 1) for start in (0, 1_000, 3_700, 4_100)] + [
    row(0, 500, 505, **BROADCAST),
    row(1, 900, 910, **BROADCAST),  # the root has left long before
]
EXAMPLES = {
    Proof.COMMS_ID: [row(rank, 0, 10, comms_id="81") for rank in (0, 1)],
    Proof.GROUP_SEQ: [row(rank, 0, 10, group="tp", group_ranks=(0, 1), seq=7) for rank in (0, 1)],
    Proof.STEP_ORDER: [
        row(rank, 1_000 * k, 1_000 * k + 10, window="step 1") for rank in (0, 1) for k in range(5)
    ],
    Proof.SIGNATURE: [row(rank, 700 * k * k, 700 * k * k + 10) for rank in (0, 1) for k in range(5)],
    Proof.NEIGHBOURS: BETWEEN,
    Proof.CHANNEL_ORDER: [
        *(row(0, 1_000 * k, 1_000 * k + 5, peer=1, window="step 1", **SEND) for k in range(3)),
        *(row(1, 1_000 * k + 400, 1_000 * k + 405, peer=0, window="step 1", **RECV) for k in range(3)),
    ],
}


def words(found: Matched) -> list[tuple[str, str] | None]:
    """By row: proof and what told the members."""
    return [
        None if one < 0 else (str(PROOFS[proof]), str(MEMBERS_BY[told]))
        for one, proof, told in zip(found.instance, found.proof, found.members_by, strict=True)
    ]


@pytest.mark.parametrize("proof", EXAMPLES)
def test_every_proof_has_an_example_and_names_itself(proof: Proof) -> None:
    found = matched(table(EXAMPLES[proof]), hosts={0: "node0", 1: "node0"})
    assert (found.instance >= 0).all()
    told = {word[0] for word in words(found) if word}
    assert told == {proof} | ({Proof.SIGNATURE} if proof == Proof.NEIGHBOURS else set())


def test_a_broadcast_is_proved_by_its_neighbours_and_these_by_their_ends() -> None:
    assert words(matched(table(BETWEEN), hosts={0: "node0", 1: "node0"})) == [
        *[("signature", "elimination")] * 8,
        *[("neighbours", "elimination")] * 2,
    ]


def test_groups_that_only_clocks_or_counts_tell_apart_say_so() -> None:
    made, _ = mesh(1)
    found = match(rows_of(table(made), {}), SETS, dict.fromkeys(range(4), "node0"))
    told = {word[1] for word in words(found) if word}
    assert told
    assert told <= {MembersBy.CLOCKS, MembersBy.COUNTS}


def test_all_rows_of_an_instance_name_the_same_evidence_and_the_counts_are_those_of_the_table() -> None:
    made = pd.concat([table(EXAMPLES[Proof.GROUP_SEQ]), table(BETWEEN), table(EXAMPLES[Proof.CHANNEL_ORDER])])
    analysis = join(RunInfo("run", Path("run")), analyses(made, hosts={0: "n", 1: "n"}))
    rows = analysis.instances[analysis.instances["instance"].notna()]
    assert rows.groupby("instance")[["proof", "members_by"]].nunique().eq(1).all(axis=None)
    once = rows.drop_duplicates("instance")
    for column, counts in (
        ("proof", analysis.matching.by_proof), ("members_by", analysis.matching.by_members)
    ):  # fmt: skip
        assert once[column].value_counts().to_dict() == counts
        assert sum(counts.values()) == analysis.matching.matched
        assert str(analysis.instances[column].dtype) == MATCH_COLUMNS[column]
    assert analysis.instances["proof"].isna().equals(analysis.instances["instance"].isna())
    assert analysis_document(analysis)["matching"]["by_proof"] == analysis.matching.by_proof
    said = matched_words(analysis.matching)
    for proof, count in analysis.matching.by_proof.items():
        assert f"{count} by " in said, proof


def channel_without_peers(receivers: dict[int, int]) -> pd.DataFrame:
    """Rank 0 sends three messages a step to nobody knows whom; the others take so many."""
    rows = []
    for step in range(2):
        at = 10_000 * step
        window = {"window": f"step {step}"}
        rows += [row(0, at + 100 * k, at + 100 * k + 5, **SEND, **window) for k in range(3)]
        for rank, count in receivers.items():
            rows += [row(rank, at + 100 * k + 50, at + 100 * k + 60, **RECV, **window) for k in range(count)]
            rows.append(row(rank, at, at + 10, group=f"{rank}", group_ranks=(rank,), seq=step))
    return table(rows)


def test_the_only_rank_with_as_many_receives_is_the_other_side_of_a_ranks_sends() -> None:
    found = matched(channel_without_peers({1: 0, 2: 3, 3: 0}))
    told = [word for word in words(found) if word and word[0] == Proof.CHANNEL_ORDER]
    assert told == [(Proof.CHANNEL_ORDER, MembersBy.COUNTS)] * 12


@pytest.mark.parametrize("receivers", [{1: 1, 2: 2}, {1: 0, 2: 2, 3: 0}, {1: 3, 2: 3}])
def test_receives_on_several_ranks_or_too_few_prove_no_peer(receivers: dict[int, int]) -> None:
    found = matched(channel_without_peers({1: 0, 2: 0, 3: 0} | receivers))
    assert Proof.CHANNEL_ORDER not in {word[0] for word in words(found) if word}


def lost_in_turn(step_of_loss: int | None) -> tuple[list[dict[str, object]], list[int]]:
    """All-reduces of two ranks on one clock that a group's own tie; in one step rank 0 lost the second, rank 1 the
    fourth of five, and no step is fuller. Gives rows and truth.
    """
    rows: list[dict[str, object]] = []
    truth = []
    for rank in (0, 1):
        for k in range(20):
            rows.append(row(rank, 997 * k, 997 * k + 20, group="tied", group_ranks=(0, 1), seq=k))
            truth.append(k)
        for k in range(5):
            if step_of_loss == 1 and k == (1, 3)[rank]:
                continue
            rows.append(row(rank, 2_000 * k + 300, 2_000 * k + 310, payload_bytes=64, window="step 1"))
            truth.append(100 + k)
    return rows, truth


def test_where_clocks_refute_one_of_a_step_what_the_same_count_proved_falls_and_ends_may_prove_it() -> None:
    rows, truth = lost_in_turn(1)
    found = matched(table(rows))
    for one in range(int(found.instance.max()) + 1):
        assert len({truth[n] for n in np.flatnonzero(found.instance == one)}) == 1
    assert Proof.STEP_ORDER not in found.methods
    whole = matched(table(lost_in_turn(None)[0]))
    assert Proof.STEP_ORDER in whole.methods
    assert (whole.instance >= 0).all()
