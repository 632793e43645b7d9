"""The process that starts the ranks and waits for them.

A RecordRequest in; a run folder, or one error that names the culprit, out.
"""

from __future__ import annotations

from commscope.record.launcher.attach import attach
from commscope.record.launcher.launch import record, run_ranks

__all__ = ["attach", "record", "run_ranks"]
