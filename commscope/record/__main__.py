"""One rank under an outer launcher: `torchrun --nproc-per-node 4 -m commscope.record script.py args`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from commscope.errors import CommScopeError
from commscope.printable import printable
from commscope.record.handover.manifest import serious_gaps
from commscope.record.handover.output import finish_together
from commscope.record.handover.request import require_script
from commscope.record.rank import Ending, launch_name, outer_request, run_script, this_rank


def main(argv: Sequence[str], ending: Ending) -> int:
    """Run the script under the profiler; this rank's exit code."""
    options, script = parse(argv)
    rank = this_rank()
    try:
        require_script(script)
        output = Path(options.output or default_output(script))
        request = outer_request(
            output, script, steps=options.steps, warmup=options.warmup, force=options.force
        )
        request = replace(request, stop=options.stop)
        run_script(request, rank, ending)
        finish_together(request, rank.rank)
    except CommScopeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if rank.rank == 0:
        for gap in serious_gaps(request.place):
            sys.stderr.write(f"note: {printable(gap.message)}\nhint: {printable(gap.hint)}\n")
        told = printable(str(output))
        sys.stderr.write(f"recorded {told}\nhint: commscope analyze {told}\n")
    return 0


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, tuple[str, ...]]:
    """Our own options stand before the script; everything after its name is the script's."""
    parser = argparse.ArgumentParser(
        prog="python -m commscope.record",
        description="Record this rank of a script another launcher started.",
    )
    parser.add_argument("-o", "--output", help="run folder, the same on every rank")
    parser.add_argument("--steps", type=int, default=3, help="profiled steps (%(default)s)")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them (%(default)s)")
    parser.add_argument("--force", action="store_true", help="replace an existing run")
    parser.add_argument("--stop", action="store_true", help="end the script once its steps are recorded")
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module")
    parser.add_argument("script", metavar="SCRIPT")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    script = (options.script, *options.arguments)
    return options, ("-m", *script) if options.module else script


def default_output(script: Sequence[str]) -> str:
    """A folder every rank of this launch finds by itself."""
    name = script[1] if script[0] == "-m" else Path(script[0]).stem
    return f"runs/{name}-{launch_name()}"


if __name__ == "__main__":
    ending = Ending()
    ending.code = main(sys.argv[1:], ending)
    sys.exit(ending.code)
