"""One row of a verdict.

Two sides of runs under a budget in; what was expected, what was found, and the culprit out.
"""

from __future__ import annotations

from commscope.check.rows.exact import ORDER, exact_row, order_row
from commscope.check.rows.expected import expectation_row
from commscope.check.rows.straggler import straggler_row
from commscope.check.rows.timed import timed_row
from commscope.check.rows.why import Context
from commscope.check.rows.work import work_row

__all__ = [
    "ORDER",
    "Context",
    "exact_row",
    "expectation_row",
    "order_row",
    "straggler_row",
    "timed_row",
    "work_row",
]
