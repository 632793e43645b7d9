"""Forecasts against a machine whose law is known: a made TP=2 run tells the steps of other layouts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.cli.main import run
from commscope.engine import analyze, over_ranks
from commscope.forecast import Machine, RankWork, forecast, measured_machine, rank_work
from commscope.forecast.cells import calls_of
from commscope.forecast.products import Product, speed_of
from commscope.forecast.work import Place, Work, class_of, work_of_trace
from commscope.readers import open_run
from commscope.schema import Phase, ring_wire_bytes
from commscope.theory.parameters import rank_parameters
from commscope.trace import Layout, ModelShape, RankTrace, RunInfo, StepTime
from tests.build import build
from tests.conftest import CHECKOUT

MODEL = ModelShape("gpt", 3, 256, 1024, 8, 8, vocab=512, seq=64, batch=2)
TP2 = Layout(tp=2)
STEPS = 3
PRODUCTS_US, CORE_US, NORMS_US, UPDATE_US = (
    900.0,
    200.0,
    120.0,
    500.0,
)  # of a layer's forward, or the whole update
STEP_US, BYTE_US = 15.0, 1e-4  # of a collective: a step of the ring, a wire byte
TRACES = CHECKOUT / "traces"


def transfer_us(collective: str, payload: int, ranks: int) -> float:
    """The network's law."""
    around = 2 if collective == "all_reduce" else 1
    return around * (ranks - 1) * STEP_US + ring_wire_bytes(collective, payload, ranks) * BYTE_US


def computing_us(layout: Layout, place: Place) -> list[tuple[str, float]]:
    """Operators of one layer, or of what lies outside, in a phase."""
    t, sequence = layout.tp, layout.tp if layout.sp else 1
    phase, inside = place
    if phase == Phase.OPTIMIZER:
        held = rank_parameters(layout, MODEL).total / rank_parameters(TP2, MODEL).total
        return [("aten::addcdiv_", UPDATE_US * held)]
    if not inside:
        return [("aten::mm", PRODUCTS_US / t)]
    forward = [
        ("aten::mm", PRODUCTS_US / t),
        ("aten::bmm", CORE_US / t),
        ("aten::native_layer_norm", NORMS_US / sequence),
    ]
    if phase == Phase.FORWARD:
        return forward
    if phase == Phase.RECOMPUTE:
        return {"full": forward, "selective": forward[1:2]}.get(layout.recompute, [])
    return [(name, 2 * time) for name, time in forward]


class Program:
    """One rank's step as a line of `build`, every rank the same."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.calls = calls_of(layout, MODEL)
        self.now = 10.0
        self.items: list[str] = []

    def line(self) -> str:
        """All steps."""
        for _ in range(STEPS):
            start, at = self.now, len(self.items)
            self.phase(Phase.FORWARD, [True] * MODEL.layers + [False])
            self.phase(Phase.BACKWARD, [False] + [True] * MODEL.layers)
            self.phase(Phase.OPTIMIZER, [False])
            self.items.insert(at, f"step {start}-{self.now}")
        return " | ".join(self.items)

    def phase(self, phase: Phase, places: list[bool]) -> None:
        start, at = self.now, len(self.items)
        for number, inside in enumerate(places):
            begin, where = self.now, len(self.items)
            parts = MODEL.layers if inside else 1
            if phase == Phase.BACKWARD and inside and self.layout.recompute != "none":
                since = len(self.items)
                self.cell((str(Phase.RECOMPUTE), inside), parts)
                self.items.insert(since, f"phase:recompute {begin}-{self.now}")
            self.cell((str(phase), inside), parts)
            if inside:
                self.items.insert(where, f"layer:{number} {begin}-{self.now}")
        self.items.insert(at, f"phase:{phase.value} {start}-{self.now}")

    def cell(self, place: Place, parts: int) -> None:
        for name, time in computing_us(self.layout, place):
            self.items.append(f"op:{name} {self.now}-{self.now + time}")
            self.now += time
        for collective, payload, ranks, count in self.calls.get(place, []):
            for _ in range(count // parts):
                end = self.now + transfer_us(collective, payload, ranks)
                self.items.append(f"{collective} {self.now}-{end} bytes={payload}")
                self.now = end


def step_us(layout: Layout) -> float:
    """What the law says a step of the layout takes."""
    program = Program(layout)
    program.line()
    return (program.now - 10.0) / STEPS


def traces_of(layout: Layout) -> list[RankTrace]:
    """The run as its ranks record it."""
    line = Program(layout).line()
    return build(*(f"r{rank}: {line}" for rank in range(layout.tp)), style="gloo")


def machine(layout: Layout, **facts: object) -> Machine:
    """What a made run tells."""
    traces = traces_of(layout)
    info = replace(RunInfo("made", Path("made"), layout=layout, model=MODEL, backend="nccl"), **facts)  # type: ignore[arg-type]
    analysis = join(info, [analyze_rank(trace) for trace in traces])
    works: list[RankWork] = [work_of_trace(trace) for trace in traces]
    return measured_machine(analysis, works, layout, MODEL)


RECORDED = machine(TP2)


@pytest.mark.parametrize(
    ("layout", "within"),
    [
        (TP2, 0.001),
        (Layout(tp=4), 0.01),
        (Layout(tp=8), 0.01),
        (Layout(tp=1), 0.01),
        (Layout(tp=2, sp=True), 0.02),
        (Layout(tp=4, sp=True), 0.02),
        (Layout(tp=2, sp=True, sp_keep_gathered=True), 0.02),
        (Layout(tp=2, recompute="full"), 0.01),
        (Layout(tp=2, recompute="selective"), 0.01),
    ],
    ids=str,
)
def test_a_machine_of_known_law_is_foretold_from_two_ranks(layout: Layout, within: float) -> None:
    told = forecast(RECORDED, layout)
    assert told.time_ns / 1e3 == pytest.approx(step_us(layout), rel=within)
    assert told.low_ns <= told.time_ns <= told.high_ns


def test_from_sp_with_full_recompute_on_four_ranks_as_well() -> None:
    full = machine(Layout(tp=4, sp=True, recompute="full"))
    told = forecast(full, TP2).time_ns / 1e3
    assert told == pytest.approx(step_us(TP2), rel=0.03)


def test_ranks_that_share_cores_take_turns() -> None:
    crowded = machine(TP2, devices=("cpu", "cpu"), host={"cpus": 2})
    assert crowded.crowding(4) == 2
    assert forecast(crowded, TP2).time_ns == pytest.approx(forecast(RECORDED, TP2).time_ns)
    told = forecast(crowded, Layout(tp=4))
    alone = forecast(RECORDED, Layout(tp=4)).time_ns
    assert 1.5 * alone < told.time_ns < 2 * alone  # but for the latency of collectives
    assert "ranks that share cores" in {doubt.what for doubt in told.doubts}


def test_what_was_not_measured_is_doubted_and_named() -> None:
    told = {doubt.what: doubt for doubt in forecast(RECORDED, Layout(tp=4, sp=True)).doubts}
    kinds = told["collectives of a kind the run does not have"]
    assert kinds.is_assumed
    assert kinds.measurement == "commscope record gpt --tp 4 --sp --steps 3"
    assert forecast(RECORDED, TP2).doubts == ()


def test_steps_without_the_profiler_set_the_basis() -> None:
    times = tuple(StepTime(0, number, 500_000 + 300_000 * (number >= 3), number >= 3) for number in range(6))
    plain = machine(TP2, step_times=times)
    assert forecast(plain, TP2).time_ns == pytest.approx(forecast(RECORDED, TP2).time_ns - 300_000)
    full = Layout(tp=2, recompute="full")
    assert forecast(RECORDED, full).time_ns - forecast(plain, full).time_ns > 300_000


def test_the_rates_are_those_of_the_law() -> None:
    from commscope.forecast.rates import rates_of

    told = {rate.name: rate.value for rate in rates_of(RECORDED)}
    assert told["all_reduce, a step of the ring"] == pytest.approx(STEP_US * 1e3, rel=0.01)
    assert told["all_reduce, wire bytes"] == pytest.approx(1 / (BYTE_US * 1e3), rel=0.01)


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("aten::linear", Work.PRODUCTS),
        ("sm90_xmma_gemm_bf16bf16_bf16f32_tn_n", Work.PRODUCTS),
        ("flash_fwd_kernel", Work.CORE),
        ("aten::bmm", Work.CORE),
        ("aten::_softmax_backward_data", Work.SCORES),
        ("aten::gelu", Work.SPLIT),
        ("vectorized_layer_norm_kernel", Work.WHOLE),
        ("aten::add", Work.MIXED),
    ],
)
def test_names_tell_how_work_is_split(name: str, work: Work) -> None:
    assert class_of(name) is work


def test_small_products_are_less_efficient_by_their_start() -> None:
    products = [Product(((n, n), (n, n)), 2 * n**3, round(1000 + 2 * n**3 / 100), 1) for n in (16, 64, 256)]
    speed = speed_of(products)
    assert speed.start_ns == pytest.approx(1000, rel=0.01)
    assert 1 / speed.flop_ns == pytest.approx(100, rel=0.01)
    assert speed.ratio(2 * 16**3, 0.5) > 0.9
    assert speed.ratio(2 * 4096**3, 0.5) == pytest.approx(0.5, rel=0.01)
    assert speed_of(products[:1]).ratio(1e6, 0.25) == pytest.approx(0.25)


@pytest.mark.parametrize("name", sorted(path.name for path in TRACES.iterdir() if path.is_dir()))
def test_every_saved_run_is_foretold_as_it_was(name: str) -> None:
    saved = open_run(TRACES / name)
    assert saved.info.layout is not None
    assert saved.info.model is not None
    analysis = analyze(saved, jobs=1)
    works = list(over_ranks(saved, rank_work, jobs=1))
    found = measured_machine(analysis, works, saved.info.layout, saved.info.model)
    told = forecast(found, saved.info.layout)
    steps = sorted(window.span_ns for window in analysis.windows[1:])
    assert told.time_ns == pytest.approx(steps[len(steps) // 2] - found.profiler_ns, rel=1e-3)


def test_the_command_ranks_layouts_and_says_what_would_narrow_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(TRACES / "gpt-tp2")
    assert run(["plan", "--from", path, "--tp", "2,4", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "commscope.forecast/1"
    times = [row["time_ns"] for row in told["rows"]]
    assert times == sorted(times)
    assert {row["layout"]["tp"] for row in told["rows"]} == {2, 4}
    assert all(row["low_ns"] <= row["time_ns"] <= row["high_ns"] for row in told["rows"])
    assert told["layout"]["tp"] == 2
    assert run(["plan", "--from", path, "--tp", "4", "--sp", "--format", "json"]) == 0
    asked = json.loads(capsys.readouterr().out)
    assert (asked["layout"]["tp"], asked["layout"]["sp"]) == (4, True)
    assert asked["step"]["low_ns"] < asked["step"]["time_ns"] < asked["step"]["high_ns"]
    assert {call["collective"] for call in asked["communication"]["by_collective"]} >= {"all_gather"}
    assert run(["plan", "--from", path]) == 0
    assert "What would narrow it" in capsys.readouterr().out


def test_a_run_without_steps_or_with_a_table_beside_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--from", str(TRACES / "gpt-tp2"), "--table", "x.csv"]) == 2
    assert "--from and --table are two plans" in capsys.readouterr().err
