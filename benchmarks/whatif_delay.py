"""What-if against a recorded run: does removing a delay of 20 ms from one rank's host predict the steps
without it?

    python -m benchmarks.whatif_delay [--steps 12]

Two gloo ranks train a small model; rank 1 sleeps 20 ms longer in every other step, so that delayed and
clean steps share the same noise. The delay stands in a range of its own, which `other@rank1=0` removes.
Prints the median step as recorded with the delay, as recorded without it, and as predicted without it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.analysis.result import Analysis
from commscope.readers import open_run, read_rank
from commscope.units import format_time
from commscope.whatif import Scale, Scenario, replay_all

SCRIPT = """
import time, torch, torch.distributed as dist
dist.init_process_group("gloo")
late = dist.get_rank() == 1
layers = [torch.nn.Linear(256, 256) for _ in range(4)]
optimizer = torch.optim.SGD([p for layer in layers for p in layer.parameters()], lr=1e-3)
for step in range({steps}):
    out = torch.ones(256, 256)
    for number, layer in enumerate(layers):
        time.sleep(0.015)
        if late and number == 2 and step % 2:
            with torch.profiler.record_function("commscope:phase:other"):
                time.sleep(0.02)
                torch.zeros(1)
        out = torch.relu(layer(out))
        dist.all_reduce(out.detach().clone()[: 256 - 8 * number])
    out.sum().backward()
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
"""
WARM_UP = 3


def main() -> None:
    """Records, replays, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=12)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        analysis = recorded(Path(folder), asked.steps)
    steps = [window for window in analysis.windows[1:-1] if window.step is not None]
    halves = [
        [window for window in steps if window.step is not None and window.step % 2 == odd] for odd in (0, 1)
    ]
    slower = max(halves, key=lambda half: statistics.median(window.span_ns for window in half))
    late = {window.name for window in slower}
    print(f"{len(steps)} steps; taken as delayed: {', '.join(sorted(late))}")
    print(f"recorded with the delay     {_median(w.span_ns for w in steps if w.name in late)}")
    print(f"recorded without it         {_median(w.span_ns for w in steps if w.name not in late)}")
    for name, scenario in (
        ("other@rank1=0", Scenario(scales=(Scale("other", 0.0, 1),))),
        ("no stragglers", Scenario(no_stragglers=True)),
    ):
        after = [outcome.after_ns for outcome in replay_all(analysis, scenario) if outcome.window in late]
        print(f"predicted, {name:15}  {_median(after)}")


def recorded(folder: Path, steps: int) -> Analysis:
    """The analysis of a fresh recording."""
    script, run_folder = folder / "train.py", folder / "run"
    script.write_text(SCRIPT.format(steps=steps + WARM_UP + 2))
    program = Path(sys.executable).with_name("commscope")
    options = ["--nproc", "2", "--steps", str(steps), "--warmup", str(WARM_UP), "-o", str(run_folder)]
    subprocess.run([str(program), "record", *options, "--", str(script)], check=True)
    run = open_run(run_folder)
    return join(run.info, [analyze_rank(read_rank(part, run.info)) for part in run.parts])


def _median(times_ns: Iterable[int]) -> str:
    return format_time(statistics.median(times_ns))


if __name__ == "__main__":
    main()
