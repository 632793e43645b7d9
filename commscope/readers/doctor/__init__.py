"""The doctor.

What was read of a run in; findings that say what the trace can and cannot tell out.
"""

from __future__ import annotations

from commscope.readers.doctor.diagnose import SCHEMA, as_json, diagnose, examine
from commscope.readers.doctor.finding import Finding
from commscope.readers.doctor.health import RankHealth, health_of

__all__ = ["SCHEMA", "Finding", "RankHealth", "as_json", "diagnose", "examine", "health_of"]
