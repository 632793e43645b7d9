"""Two analyses -> Comparison: comparability first, then numbers, then the sentence that says them."""

from __future__ import annotations

from commscope.analysis.result import Analysis
from commscope.compare.comparability import counts_make_sense, differences_between, facts_of, unknown_facts
from commscope.compare.measure import measure
from commscope.compare.metrics import Allowed, Side, metrics_of
from commscope.compare.result import Comparison
from commscope.compare.verdict import verdict_sentence


def compare(baseline: Analysis, candidate: Analysis) -> Comparison:
    """Which run is better, by how much, and why; incomparable runs keep the numbers that make sense."""
    before, after = facts_of(baseline), facts_of(candidate)
    differences, unknown = differences_between(before, after), unknown_facts(before, after)
    comparable = not any(row.breaks for row in differences)
    allowed = Allowed(timed=comparable, exact=counts_make_sense(differences))
    metrics = metrics_of(Side(baseline, measure(baseline)), Side(candidate, measure(candidate)), allowed)
    facts = Comparison(baseline, candidate, comparable, differences, "", metrics, unknown)
    return Comparison(baseline, candidate, comparable, differences, verdict_sentence(facts), metrics, unknown)
