"""Takes what matching found, gives the sentence that tells it with its evidence."""

from __future__ import annotations

from commscope.analysis.result import Matching
from commscope.schema import MembersBy, Proof

PROOFS = {
    Proof.COMMS_ID: "Comms Id",
    Proof.GROUP_SEQ: "group and sequence number",
    Proof.STEP_ORDER: "their place in the step",
    Proof.SIGNATURE: "ends that agree",
    Proof.NEIGHBOURS: "their neighbours on the communicator",
    Proof.CHANNEL_ORDER: "the order on their channel",
}
MEMBERS = {
    MembersBy.ELIMINATION: "by elimination",
    MembersBy.CLOCKS: "by who ends together",
    MembersBy.COUNTS: "by equal counts",
}


def matched_words(matching: Matching) -> str:
    """How many instances are matched, what proved them, and what told their members where no record does."""
    told = {MembersBy(how): count for how, count in matching.by_members.items() if how != MembersBy.RECORD}
    members = ", ".join(f"{count} {MEMBERS[how]}" for how, count in told.items())
    return (
        f"{matching.matched} of {matching.instances} instances matched over the ranks{_proofs(matching)}, "
        f"{matching.unmatched} unmatched, {matching.refused} refused."
        f"{f' Who takes part was told of {members}.' if members else ''}"
    )


def _proofs(matching: Matching) -> str:
    """What proved the instances: ` by A`, or ` (3 by A, 2 by B)`."""
    proofs = {PROOFS[Proof(proof)]: count for proof, count in matching.by_proof.items()}
    if len(proofs) == 1:
        return f" by {next(iter(proofs))}"
    return f" ({', '.join(f'{count} by {words}' for words, count in proofs.items())})" if proofs else ""
