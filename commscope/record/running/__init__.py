"""Recording in programs that start themselves.

A running program in; runs out, whenever its own profiler, a framework or a command asks for one.
"""

from __future__ import annotations

from commscope.record.running.callbacks import accelerate_profile, lightning_callback, trainer_callback
from commscope.record.running.handler import trace_handler
from commscope.record.running.listener import listen

__all__ = ["accelerate_profile", "lightning_callback", "listen", "trace_handler", "trainer_callback"]
