"""A recorded run, read back from its traces: what moved and what was computed equal the closed forms, for TP and TP+SP."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch")

from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from commscope.schema import CAPTURE
from commscope.theory.flops import step_flops
from commscope.theory.volume import step_volume
from commscope.trace import Layout, ModelShape

pytestmark = pytest.mark.record
GPT = ModelShape("gpt", 2, 32, 64, 4, 4, vocab=64, seq=16, batch=2)


@pytest.mark.parametrize("layout", [Layout(tp=2), Layout(tp=2, sp=True)], ids=["tp", "tp+sp"])
def test_traces_ledger_and_closed_form_agree(tmp_path: Path, layout: Layout) -> None:
    request = RecordRequest(
        tmp_path / "run", layout=layout, model=GPT, nproc=2, steps=2, warmup=1, backend="gloo"
    )
    run = open_run(record(request))
    analysis = analyze(run)
    expected = Counter[tuple[object, ...]]()
    for row in step_volume(layout, GPT):
        expected[row.phase, row.collective, row.role, row.dtype, row.payload_bytes] += row.count
    columns = ["rank", "window", "phase", "collective", "role", "dtype", "payload_bytes"]
    measured = Counter(analysis.instances[columns].itertuples(index=False, name=None))
    told = Counter[tuple[object, ...]]()
    for entry in run.info.ledger:
        key = (entry.phase, entry.collective, entry.role, entry.dtype, entry.payload_bytes)
        told[entry.rank, f"step {entry.step}", *key] += entry.count
    windows = [window.name for window in analysis.windows if window.name != CAPTURE]
    assert len(windows) == 2
    for rank in (0, 1):
        for window in windows:
            for found in (measured, told):
                of_step = {key[2:]: count for key, count in found.items() if key[:2] == (rank, window)}
                assert of_step == dict(expected)
    flops = {sum((row.flops_by_phase or {}).values()) for row in analysis.breakdown if row.window in windows}
    assert flops == {step_flops(layout, GPT).hardware // layout.tp}
    assert run.info.complete is True
    assert run.info.layout == layout
    assert run.info.sent_bytes
    assert {row.kind for row in run.info.memory} == {"rss", "tensors"}
    assert {row.profiled for row in run.info.step_times} == {True, False}
