"""The collectives of one rank.

Events in; the table of instances with kind, size, group and role out.
"""

from __future__ import annotations

from commscope.analysis.collectives.evidence_rows import instance_sources
from commscope.analysis.collectives.grouped_calls import with_calls
from commscope.analysis.collectives.table import Instances, Placing, instance_table, ordered_instances

__all__ = ["Instances", "Placing", "instance_sources", "instance_table", "ordered_instances", "with_calls"]
