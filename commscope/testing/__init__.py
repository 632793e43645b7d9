"""For unit tests of training code: what a block of it may communicate.

Expected counts and bytes in; an AssertionError out that names what was issued instead.
"""

from __future__ import annotations

from commscope.testing.expected import expect
from commscope.testing.issued import Issued

__all__ = ["Issued", "expect"]
