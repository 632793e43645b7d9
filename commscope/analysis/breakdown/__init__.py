"""Where one rank's time went.

Attributed events in; an exact partition of each window out.
"""

from __future__ import annotations

from commscope.analysis.breakdown.exposed_kinds import with_exposed_kinds
from commscope.analysis.breakdown.flops import flops_of
from commscope.analysis.breakdown.operators import with_operators
from commscope.analysis.breakdown.partition import Owned, breakdown_of, host_bound_time
from commscope.analysis.breakdown.products import with_flops

__all__ = [
    "Owned",
    "breakdown_of",
    "flops_of",
    "host_bound_time",
    "with_exposed_kinds",
    "with_flops",
    "with_operators",
]
