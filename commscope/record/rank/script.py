"""Any script or module under the profiler, unmodified.

The script runs as `__main__` in this process with its own arguments; nothing of its numerics is touched.
"""

from __future__ import annotations

import contextlib
import functools
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from commscope.record.handover.request import BY_TIME, RecordRequest
from commscope.record.rank.borders import step_borders
from commscope.record.rank.ending import Ending
from commscope.record.rank.own_profiler import own_profiler_stands_still
from commscope.record.rank.program import Program
from commscope.record.rank.seconds import AgreedStop
from commscope.record.rank.session import Rank
from commscope.record.rank.spawned import spawning_refused


def run_script(request: RecordRequest, rank: Rank, ending: Ending) -> None:
    """Run the script to its end, profile the steps of the plan, leave the facts.

    What the script made is handed to `ending`, which outlives it.
    """
    if torch.cuda.is_available():
        rank = Rank(rank.rank, rank.world_size, f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    os.environ["COMMSCOPE_RECORDING"] = str(request.output)
    program = Program(request, rank)
    complete = False

    stop = AgreedStop(functools.partial(program.leave_facts, complete=True))

    def end_step() -> None:
        ending.hold_groups()
        program.end_step()
        if request.stop and program.session.step >= program.session.plan.last:
            _stop(request, stop)

    try:
        with (
            program.session.open(),
            own_profiler_stands_still(program.own_profiler),
            spawning_refused(),
            script_environment(request.script),
            step_borders(request.steps_by, end_step, rank.world_size),
        ):
            ending.hold(run_as_main(request.script))
        complete = True
    except SystemExit as ended:
        if ended.code not in (None, 0) and not stop.is_agreed():
            raise
        ending.hold(ended)  # its frames hold the script's own objects
        complete = True  # a program may say that it ends well
    except Exception as error:
        if not stop.is_agreed():
            raise
        ending.hold(error)
        complete = True  # all ranks are done: this one stood in a collective that a peer has left
    finally:
        stop.over()
        ending.hold_groups()
        with contextlib.suppress(*(() if complete else (OSError,))):  # what ended the script is what is told
            program.leave_facts(complete=complete)
    program.require_trace()


def _stop(request: RecordRequest, stop: AgreedStop) -> None:
    """End the script, as its own sys.exit(0) would; ranks that count no common steps first agree."""
    if request.steps_by == BY_TIME:
        stop.done()
        if not stop.is_agreed():
            return
    raise SystemExit(0)


def run_as_main(script: Sequence[str]) -> dict[str, Any]:
    """`python script.py args` or `python -m module args`, in this process; the globals it leaves."""
    if script[0] == "-m":
        return runpy.run_module(script[1], run_name="__main__", alter_sys=True)
    return runpy.run_path(script[0], run_name="__main__")


@contextlib.contextmanager
def script_environment(script: Sequence[str]) -> Iterator[None]:
    """sys.argv and sys.path as the interpreter would have set them."""
    saved = sys.argv, list(sys.path)
    if script[0] == "-m":
        sys.argv = [script[1], *script[2:]]
        sys.path.insert(0, str(Path.cwd()))
    else:
        sys.argv = list(script)
        sys.path.insert(0, str(Path(script[0]).resolve().parent))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = saved[0], saved[1]
