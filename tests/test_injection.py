"""Delays put into real ranks on purpose: culprit, phase and cause are told, and what the run were without them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

from commscope.analysis.result import Analysis, CriticalPath
from commscope.engine import analyze
from commscope.readers import open_run
from commscope.whatif import Scenario, replay_all
from tests.delayed_job import DELAY_NS, SETTINGS, STEPS, late_in

pytestmark = pytest.mark.record
JOB = Path(__file__).with_name("delayed_job.py")
QUIET_NS = DELAY_NS // 4
CAUSES = {"host": {"idle", "host_bound"}, "compute": {"compute"}}


class Met(msgspec.Struct):
    entered_ns: int
    left_ns: int
    delay_ns: int


class Stepped(msgspec.Struct):
    began_ns: int
    ended_ns: int
    collectives: list[Met]


Stamps = dict[int, list[Stepped]]


@dataclass(frozen=True)
class Job:
    """What ranks that were delayed recorded, and their own stamps."""

    size: int
    folder: Path
    stamps: Stamps


@pytest.fixture(scope="module", params=[2, 3, 4])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Recorded on a machine that delayed nobody by itself; skipped visibly where none is to be had."""
    for attempt in range(2):
        found = recorded(request.param, tmp_path_factory.mktemp(f"late{request.param}-{attempt}"))
        if (taken_ns := by_the_machine_ns(found.stamps)) < QUIET_NS:
            return found
    pytest.skip(f"other programs took {taken_ns // 1_000_000} ms from a rank that was not delayed")


def recorded(size: int, folder: Path) -> Job:
    ranks = [
        subprocess.Popen([sys.executable, str(JOB), str(folder), str(rank), str(size)])
        for rank in range(size)
    ]
    assert [rank.wait(300) for rank in ranks] == [0] * size
    stamps = {
        rank: msgspec.json.decode((folder / f"stamps{rank}.json").read_bytes(), type=list[Stepped])
        for rank in range(size)
    }
    return Job(size, folder, stamps)


def by_the_machine_ns(stamps: Stamps) -> int:
    """The longest that a rank took by itself without being delayed, or all took in a collective."""
    longest = 0
    left = {rank: steps[0].began_ns for rank, steps in stamps.items()}
    for step in range(STEPS):
        for met in zip(*(steps[step].collectives for steps in stamps.values()), strict=True):
            own = [one.entered_ns - one.delay_ns - at for one, at in zip(met, left.values(), strict=True)]
            together = [one.left_ns - max(other.entered_ns for other in met) for one in met]
            longest = max(longest, *own, *together)
            left = dict(zip(stamps, (one.left_ns for one in met), strict=True))
    return longest


@pytest.fixture(scope="module")
def analysis(job: Job) -> Analysis:
    return analyze(open_run(job.folder), jobs=1)


def test_culprit_phase_and_cause_are_told(job: Job, analysis: Analysis) -> None:
    steps = {window.step: window.name for window in analysis.windows if window.step is not None}
    first = min(steps)
    told, right = [], []
    for number in range(STEPS):
        said = late_in(number, job.size)
        if said is None:
            continue
        name = steps[first + number]
        stalls = [one for one in analysis.stalls if one.window == name]
        worst = max(stalls, key=lambda one: one.wait_ns)
        path = next(one for one in analysis.critical_paths if one.window == name)
        kind = SETTINGS[said[2]]
        told.append((worst.culprit, *_longest(path), worst.cause in CAUSES[kind]))
        right.append((said[0], (said[0], kind, said[1]), True))
        assert worst.wait_ns > 0.5 * DELAY_NS
    assert told == [(rank, *place, cause) for rank, place, cause in right]
    assert len(told) == STEPS // 3


def _longest(path: CriticalPath) -> tuple[int, str, str | None]:
    """Rank, kind and phase in which the path was longest."""
    total: dict[tuple[int, str, str | None], int] = {}
    for part in path.parts:
        place = (part.rank, part.kind, part.phase)
        total[place] = total.get(place, 0) + part.end_ns - part.start_ns
    return max(total, key=lambda place: total[place])


def test_without_stragglers_is_what_the_programs_own_stamps_say(job: Job, analysis: Analysis) -> None:
    stamps = job.stamps
    with_delays, without = (makespan_ns(stamps, taken_out=one) for one in (False, True))
    outcome = replay_all(analysis, Scenario(no_stragglers=True))[0]
    recorded = max(x[-1].ended_ns for x in stamps.values()) - min(x[0].began_ns for x in stamps.values())
    assert with_delays == recorded  # the replay of the stamps is one
    assert 100 * outcome.ratio == pytest.approx(100 * without / with_delays, abs=5)


def makespan_ns(stamps: Stamps, *, taken_out: bool) -> int:
    """How long the job takes by its stamps, in max-plus: a rank enters a collective after its own time since it
    left the one before, and leaves it as long after the last has entered as it did.
    """
    ranks = sorted(stamps)
    met = {rank: [one for step in stamps[rank] for one in step.collectives] for rank in ranks}
    now = {rank: stamps[rank][0].began_ns for rank in ranks}
    left = dict(now)
    for k in range(len(met[0])):
        recorded_join = max(met[rank][k].entered_ns for rank in ranks)
        for rank in ranks:
            own = met[rank][k].entered_ns - left[rank]
            now[rank] += own - (met[rank][k].delay_ns if taken_out else 0)
        join = max(now.values())
        for rank in ranks:
            left[rank] = met[rank][k].left_ns
            now[rank] = join + left[rank] - recorded_join
    ended = [now[rank] + stamps[rank][-1].ended_ns - left[rank] for rank in ranks]
    return max(ended) - min(stamps[rank][0].began_ns for rank in ranks)
