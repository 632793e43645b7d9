"""The front door for Python: what notebooks and scripts work with.

A path in; a Recording with its answers as pandas tables, figures and verdicts out.
"""

from __future__ import annotations

from commscope.notebook.compared import Compared
from commscope.notebook.recording import Recording, load

__all__ = ["Compared", "Recording", "load"]
