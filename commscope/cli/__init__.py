"""The command line: parse, call, print. Heavy imports happen inside commands."""

from __future__ import annotations

from commscope.cli.main import main

__all__ = ["main"]
