"""Which recorded rows of different ranks are one collective.

Instance rows of all ranks in; the number of the instance of each row, by proof, out.
"""

from __future__ import annotations

from commscope.analysis.matching.match import Matched, match
from commscope.analysis.matching.members import with_members, with_roles
from commscope.analysis.matching.numbering import renumbered
from commscope.analysis.matching.sizes import with_sizes
from commscope.analysis.matching.state import MEMBERS_BY, PROOFS

__all__ = [
    "MEMBERS_BY",
    "PROOFS",
    "Matched",
    "match",
    "renumbered",
    "with_members",
    "with_roles",
    "with_sizes",
]
