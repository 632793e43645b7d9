"""How often `commscope check` is wrong about times: simulated runs through the very rules it uses.

Each run draws its own level (run sd) and each of its steps a time around it (step sd); the run's value is
the median of its steps, as in the gate. `step.time` has two stretches of steps in each run, without and with
the profiler, and the second must bear the first out. For `straggler.time` each part of each rank's own time
draws a level of its own, and one rank's compute is longer. Printed: share of simulated checks that end in an
error (in a warning where runs are few), for a candidate that is as fast, and one slower by some per cent.

    python benchmarks/check_power.py [--checks 4000]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from commscope.check.rows.lag import lags
from commscope.check.samples.own_time import OWN_PARTS, STRAGGLER, lags_of
from commscope.compare.decision import Decision, Rule, Sample, corroborated, decide, decide_either_way
from commscope.compare.measures.measurement import Measurement

RANKS, STEP_NS = 8, 100e6
BUDGET = 0.03  # the default of step.time, and of straggler.time as a share of the step
SHARES = {"compute": 0.70, "copy": 0.02, "idle": 0.08}  # of the step; the rest is exposed communication


@dataclass(frozen=True, slots=True)
class Noise:
    """How runs and steps of one program differ, relative to the step time."""

    run_sd: float = 0.012
    step_sd: float = 0.02
    steps: int = 20


@dataclass(frozen=True, slots=True)
class Rates:
    """Share of checks that end in an error, and in a warning."""

    error: float
    warning: float


@dataclass(frozen=True, slots=True)
class MadeRun:
    """What the rule for stragglers looks at."""

    measured: Mapping[str, Measurement]
    rank_parts_ns: Mapping[int, Mapping[str, float]]


def step_rates(runs: tuple[int, int], slower: float, *, noise: Noise, checks: int) -> Rates:
    """Simulate many checks of step.time, `runs` a side."""
    random = np.random.default_rng(1)
    decisions = []
    for _ in range(checks):
        before, after = _stretches(random, runs, slower, noise)
        plain, profiled = (
            decide(old, new, Rule(BUDGET * old.middle)) for old, new in zip(before, after, strict=True)
        )
        decisions.append(corroborated(plain, [profiled]))
    return _rates(decisions)


def either_way_rates(runs: tuple[int, int], slower: float, *, noise: Noise, checks: int) -> float:
    """Share of simulated comparisons of step.time that name a winner, `runs` a side."""
    random = np.random.default_rng(1)
    shown = 0
    for _ in range(checks):
        before, after = _stretches(random, runs, slower, noise)
        plain, profiled = (decide_either_way(old, new, 1.0) for old, new in zip(before, after, strict=True))
        decision = corroborated(plain, [profiled])
        shown += decision.direction != 0 and decision.is_sure
    return shown / checks


def straggler_rates(runs: tuple[int, int], slower: float, *, noise: Noise, checks: int) -> Rates:
    """Simulate many checks of straggler.time and its parts; the last rank's compute is longer."""
    random = np.random.default_rng(1)
    decisions = []
    for _ in range(checks):
        before = [_made_run(random, 0.0, noise) for _ in range(runs[0])]
        after = [_made_run(random, slower, noise) for _ in range(runs[1])]
        rule = Rule(BUDGET * STEP_NS, scale=STEP_NS)
        found = [lag for metric in SERIES for lag in lags(metric, before, after, rule)]
        decisions.append(max(found, key=lambda lag: lag.order).decision)
    return _rates(decisions)


def _rates(decisions: Sequence[Decision]) -> Rates:
    error = sum(one.direction > 0 and one.is_sure for one in decisions)
    warning = sum(one.direction > 0 and not one.is_sure for one in decisions)
    return Rates(error / len(decisions), warning / len(decisions))


def _stretches(
    random: np.random.Generator, runs: tuple[int, int], slower: float, noise: Noise
) -> Iterator[tuple[Sample, Sample]]:
    """Baseline and candidate: steps without and with the profiler, at the same level in each run."""
    for count, level in zip(runs, (1.0, 1.0 + slower), strict=True):
        levels = level * (1 + noise.run_sd * random.standard_normal(count))
        steps = levels[:, None] * (1 + noise.step_sd * random.standard_normal((2, count, noise.steps)))
        plain, profiled = (tuple(map(float, np.median(each, axis=1))) for each in steps)
        yield Sample(plain, noise.step_sd), Sample(profiled, noise.step_sd)


def _made_run(random: np.random.Generator, slower: float, noise: Noise) -> MadeRun:
    """Each part of each rank at a level of its own; the worst case, for nothing cancels between ranks."""
    parts = {}
    for part, share in SHARES.items():
        longer = np.zeros(RANKS)
        longer[-1] = slower if part == "compute" else 0.0
        levels = STEP_NS * (share + longer) * (1 + noise.run_sd * random.standard_normal(RANKS))
        steps = levels[:, None] * (1 + noise.step_sd * random.standard_normal((RANKS, noise.steps)))
        parts[part] = {rank: list(map(float, values)) for rank, values in enumerate(steps)}
    medians = {rank: {part: median(parts[part][rank]) for part in parts} for rank in range(RANKS)}
    return MadeRun(lags_of(parts, STEP_NS, ""), medians)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=4_000)
    checks = parser.parse_args().checks
    for noise in NOISES:
        table("step.time", step_rates, noise, checks)
        table(
            "straggler.time, one of 8 ranks slower by a share of the step",
            straggler_rates,
            noise,
            checks // 4,
        )


def table(title: str, simulate: Callable[..., Rates], noise: Noise, checks: int) -> None:
    """One table for one kind of machine."""
    sds = f"run sd {noise.run_sd:.1%}, step sd {noise.step_sd:.1%}"
    print(f"\n{title}: {sds}, {noise.steps} steps a run, {checks} simulated checks a cell\n")
    print("| runs | " + " | ".join(f"{slower:+.0%}" for slower in SLOWER) + " |")
    print("|---" * (len(SLOWER) + 1) + "|")
    for runs in RUNS:
        found = [simulate(runs, slower, noise=noise, checks=checks) for slower in SLOWER]
        cells = [
            f"{rate.error:.1%} error" if min(runs) >= 3 else f"{rate.warning:.1%} warning" for rate in found
        ]
        print(f"| {runs[0]} + {runs[1]} | " + " | ".join(cells) + " |")


RUNS = ((1, 1), (3, 1), (3, 3), (5, 3), (5, 5))
NOISES = (Noise(), Noise(0.10, 0.20, 10))
SLOWER = (0.0, 0.03, 0.05, 0.08, 0.10, 0.15)
SERIES = (STRAGGLER, *(f"{STRAGGLER}/{part}" for part in OWN_PARTS))


if __name__ == "__main__":
    main()
