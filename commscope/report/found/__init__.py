"""What was found, by name: Analysis -> sections and documents on late arrivals and what took time."""

from __future__ import annotations

from commscope.report.found.documents import activity_document, late_document
from commscope.report.found.late import MOST_LATE, late_section, named_path
from commscope.report.found.stalls import MOST_STALLS, stall_section
from commscope.report.found.tables import table_documents, top_sections
from commscope.report.found.todo import proposal_documents, proposal_section

__all__ = [
    "MOST_LATE",
    "MOST_STALLS",
    "activity_document",
    "late_document",
    "late_section",
    "named_path",
    "proposal_documents",
    "proposal_section",
    "stall_section",
    "table_documents",
    "top_sections",
]
