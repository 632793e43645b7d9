"""The command line's JSON for a question: arguments in, a document out; a refusal keeps its lines."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec

from commscope.errors import CommScopeError

LONGEST_S = 600


class Refused(CommScopeError):
    """A command said what is wrong, where, and what to do."""


def document(*arguments: str) -> dict[str, Any]:
    """What `commscope ARGUMENTS --format json` writes. Raises Refused.

    A process of its own keeps this one's stdout, which is the protocol's, and its memory free.
    """
    command = [sys.executable, "-m", "commscope", *arguments, "--format", "json"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"no answer within {LONGEST_S} s", hint="ask for fewer ranks, or a slim run") from error
    try:
        return dict(msgspec.json.decode(done.stdout))
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        lines = dict(
            line.split(": ", 1) for line in done.stderr.decode(errors="replace").splitlines() if ": " in line
        )
        what = lines.get("error", f"commscope ended with {done.returncode}")
        raise Refused(what, where=lines.get("where", ""), hint=lines.get("hint", "")) from error
