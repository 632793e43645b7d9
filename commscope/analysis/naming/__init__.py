"""Names for what took time: each rank's activities beside waits and the critical path.

Charges, paths and the ranks' activities in; late arrivals, causes and path parts with names out.
"""

from __future__ import annotations

from commscope.analysis.naming.causes import named_causes
from commscope.analysis.naming.late import late_arrivals
from commscope.analysis.naming.path import with_names
from commscope.analysis.naming.records import records_of
from commscope.analysis.naming.words import (
    activity_words,
    late_words,
    named_cause_words,
    place_words,
    short_name,
    spent_words,
)

__all__ = [
    "activity_words",
    "late_arrivals",
    "late_words",
    "named_cause_words",
    "named_causes",
    "place_words",
    "records_of",
    "short_name",
    "spent_words",
    "with_names",
]
