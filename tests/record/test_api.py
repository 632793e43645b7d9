"""Marks and ledger as a program uses them, in this process."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("torch")

import torch

import commscope
from commscope.errors import UsageProblem
from commscope.record.handover.step_plan import Plan, script_plan
from commscope.record.marks.ledger import Ledger, Marks
from commscope.record.marks.ranges import CollectiveFacts, Timelines, name_with_facts, open_timelines
from commscope.record.memory.allocator import allocated_by_phase
from commscope.record.memory.blocks import levels
from commscope.record.rank import collect
from commscope.record.rank.borders import Leader, optimizers_alive

FACTS = CollectiveFacts("all_gather", "sp", "tp", 4, "bfloat16", elements=1000, seq=7)


def ranges_of(path: Path) -> dict[str, dict[str, Any]]:
    events = msgspec.json.decode(gzip.decompress(path.read_bytes()))["traceEvents"]
    return {event["name"]: event for event in events if event.get("name", "").startswith("commscope:")}


def profiled(tmp_path: Path, timelines: Timelines) -> dict[str, dict[str, Any]]:
    with (
        torch.profiler.profile(record_shapes=True, acc_events=True) as profiler,
        timelines.phase("forward"),
        timelines.layer(3),
        timelines.collective(FACTS),
    ):
        torch.ones(2)
    profiler.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    return ranges_of(tmp_path / "trace.json.gz")


def test_ranges_nest_and_carry_the_facts_of_a_collective(tmp_path: Path) -> None:
    ranges = profiled(tmp_path, open_timelines())
    phase, layer = ranges["commscope:phase:forward"], ranges["commscope:layer:3"]
    collective = ranges["commscope:collective:all_gather"]
    assert phase["ts"] <= layer["ts"] <= collective["ts"]
    assert collective["ts"] + collective["dur"] <= layer["ts"] + layer["dur"] <= phase["ts"] + phase["dur"]
    facts = {
        key: collective["args"][key] for key in ("role", "group", "size", "dtype", "elements", "seq", "async")
    }
    assert facts == {
        "role": "sp",
        "group": "tp",
        "size": 4,
        "dtype": "bfloat16",
        "elements": 1000,
        "seq": 7,
        "async": False,
    }


def test_an_older_torch_gets_the_facts_in_the_name(tmp_path: Path) -> None:
    def public(name: str, facts: dict[str, Any]) -> Any:
        return torch.profiler.record_function(name_with_facts(name, facts))

    ranges = profiled(tmp_path, Timelines(public, None))
    assert (
        "commscope:collective:all_gather|role=sp|group=tp|size=4|dtype=bfloat16|elements=1000|seq=7|async=False"
        in ranges
    )


def test_the_ledger_counts_by_step_phase_and_layer_and_only_while_recording() -> None:
    marks = Marks(open_timelines(), Ledger())
    marks.collective(FACTS)
    with marks.ledger.recording(5), marks.phase("backward"), marks.layer(1):
        marks.collective(FACTS)
        marks.collective(FACTS)
        with marks.phase("recompute"):
            marks.collective(FACTS)
    marks.collective(FACTS)
    found = [(row.step, row.phase, row.layer, row.payload_bytes, row.count) for row in marks.ledger.rows(0)]
    assert found == [(5, "backward", 1, 2000, 2), (5, "recompute", 1, 2000, 1)]


def test_annotate_marks_a_profiled_program_and_nothing_else(tmp_path: Path) -> None:
    assert commscope.annotate(phase="forward") is commscope.annotate(layer=1)
    with torch.profiler.profile() as profiler:
        with commscope.annotate(phase="optimizer"), commscope.annotate(layer=2):
            torch.ones(2)
        with pytest.raises(UsageProblem, match="one of backward, decode, forward"):
            commscope.annotate(phase="fwd")
    profiler.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    assert set(ranges_of(tmp_path / "trace.json.gz")) == {"commscope:phase:optimizer", "commscope:layer:2"}


def test_profile_records_a_program_that_stands_alone(tmp_path: Path) -> None:
    model = torch.nn.Linear(4, 4)
    with commscope.profile(tmp_path / "run", steps=2, warmup=2) as steps:
        for _ in range(7):
            loss = model(torch.ones(2, 4)).sum()
            loss.backward()
            steps.end_step(loss.item())
    manifest = msgspec.json.decode((tmp_path / "run" / "run.json").read_bytes())
    events = msgspec.json.decode(gzip.decompress((tmp_path / "run" / "rank0.json.gz").read_bytes()))[
        "traceEvents"
    ]
    assert manifest["complete"] is True
    assert len(manifest["losses"]) == 7
    assert {event["name"] for event in events if "ProfilerStep" in event.get("name", "")} == {
        "ProfilerStep#2",
        "ProfilerStep#3",
    }
    assert not (tmp_path / "run" / ".commscope").exists()


def test_importing_commscope_imports_no_torch() -> None:
    code = "import sys, commscope; assert 'torch' not in sys.modules; commscope.annotate; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def borders(alive: int, optimizers: Iterable[int]) -> list[bool]:
    leader = Leader(lambda: alive)
    return [leader.ends_step(optimizer) for optimizer in optimizers]


def test_a_step_ends_with_the_last_optimizer_of_a_round() -> None:
    assert borders(3, (1, 2, 3) * 3) == [False, False, True] * 3


def test_three_steps_of_the_critic_and_one_of_the_generator_are_one_step() -> None:
    assert borders(2, (1, 1, 1, 2) * 3) == [False, False, False, True] * 3


def test_an_optimizer_that_is_never_used_is_not_waited_for() -> None:
    assert borders(2, [1] * 12) == [False] * Leader.PATIENCE + [True] * 4


def test_one_optimizer_ends_every_step() -> None:
    assert borders(1, [1] * 4) == [True] * 4


def test_optimizers_are_counted_and_what_only_wraps_one_is_not() -> None:
    before = optimizers_alive()
    inner = torch.optim.SGD([torch.zeros(1)], lr=0.1)

    class Wrapper(torch.optim.Optimizer):
        def __init__(self) -> None:
            self.inner = inner

        def step(self, closure: Any = None) -> Any:
            return self.inner.step(closure)

    wrapper = Wrapper()
    assert (optimizers_alive() - before, wrapper.inner) == (1, inner)


@pytest.mark.parametrize(("warmup", "steps", "needed"), [(0, 1, 2), (1, 1, 2), (2, 3, 5), (3, 5, 8)])
def test_a_script_needs_warmup_and_steps_and_no_step_more(warmup: int, steps: int, needed: int) -> None:
    plan = script_plan(warmup, steps)
    assert plan.total == needed
    assert [step for step in range(99) if plan.is_profiled(step)] == list(range(needed - steps, needed))


def test_what_a_script_makes_after_its_profiled_steps_is_timed_and_measured() -> None:
    plan = script_plan(3, 2)
    assert [step for step in range(99) if plan.is_timed(step)] == [1, 3, 4, 8, 9]
    assert [step for step in range(99) if plan.is_plain(step)] == [1, 5, 7, 8, 9]
    assert plan.allocator_step == 6


def test_the_plan_times_no_warm_up_and_profiles_the_last_steps() -> None:
    plan = Plan(warmup=2, plain=3, profiled=2)
    assert [step for step in range(plan.total) if plan.is_timed(step)] == [2, 3, 4, 6, 7]
    assert [step for step in range(plan.total) if plan.is_profiled(step)] == [6, 7]


def allocated(ts: int, address: int, size: int) -> dict[str, Any]:
    return {"name": "[memory]", "ts": ts, "args": {"Device Type": 0, "Addr": address, "Bytes": size}}


def test_a_buffer_gloo_gave_back_unseen_is_free_from_the_end_of_its_collective() -> None:
    work = [{"name": "gloo:all_gather", "ts": ts, "dur": 10} for ts in (12, 32, 52)]
    events = [
        *work,
        allocated(5, 100, 1),  # lives on
        allocated(10, 200, 8),  # in the collective of 12, not seen to go
        allocated(30, 200, 16),  # the same address anew: in the collective of 32, not seen to go
        allocated(50, 300, 32),  # its end was seen, before its collective's
        allocated(55, 300, -32),
    ]
    assert levels(events, {100}) == [(5, 1), (10, 9), (22, 1), (30, 17), (42, 1), (50, 33), (55, 1)]


def test_a_buffer_no_collective_followed_is_held() -> None:
    assert levels([allocated(5, 100, 1)], set()) == [(5, 1)]


def test_peak_memory_goes_to_the_innermost_phase() -> None:
    def phase(name: str, ts: int, dur: int) -> dict[str, Any]:
        return {"name": f"commscope:phase:{name}", "ts": ts, "dur": dur}

    events = [
        phase("forward", 10, 10),
        phase("backward", 30, 30),
        phase("recompute", 40, 10),
        allocated(5, 1, 1),
        allocated(15, 2, 99),
        allocated(33, 2, -99),
        allocated(35, 3, 79),
        allocated(45, 4, 40),
        allocated(55, 4, -40),
        allocated(56, 5, 10),
    ]
    assert allocated_by_phase(events, {1, 3, 5}) == (
        120,
        {"other": 1, "forward": 100, "backward": 90, "recompute": 120},
    )


def test_clocks_are_read_where_nothing_came_between(monkeypatch: pytest.MonkeyPatch) -> None:
    boot_ns, now = 1_700_000_000_000_000_000, iter(range(0, 10**6, 100))
    held_up = iter([8_000_000, 0] + [5_000_000] * 6)  # between the readings of each try
    clock = {"ns": 0}

    def monotonic_ns() -> int:
        clock["ns"] += next(now) % 7 + 100
        return clock["ns"]

    def time_ns() -> int:
        clock["ns"] += next(held_up)
        return boot_ns + clock["ns"]

    monkeypatch.setattr(collect.time, "monotonic_ns", monotonic_ns)
    monkeypatch.setattr(collect.time, "time_ns", time_ns)
    read = collect.read_clocks()
    assert abs(read["realtime_ns"] - read["monotonic_ns"] - boot_ns) < 1_000
