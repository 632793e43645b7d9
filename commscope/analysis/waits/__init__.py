"""Who waited for whom, how long, and why.

Matched instances on one clock in; wait, transfer, stalls and causes out.
"""

from __future__ import annotations

from commscope.analysis.waits.causes import CAUSES, Charges, causes_of, charges_of
from commscope.analysis.waits.completeness import Completeness, completeness_of
from commscope.analysis.waits.exposure import WaitRange, with_waits
from commscope.analysis.waits.split import Waits, ranged, waits_of
from commscope.analysis.waits.stalls import cause_words, counted_once, stalls_of

__all__ = [
    "CAUSES",
    "Charges",
    "Completeness",
    "WaitRange",
    "Waits",
    "cause_words",
    "causes_of",
    "charges_of",
    "completeness_of",
    "counted_once",
    "ranged",
    "stalls_of",
    "waits_of",
    "with_waits",
]
