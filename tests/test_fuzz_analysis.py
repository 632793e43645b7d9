"""Whatever can be read of a damaged trace can be analyzed, told and replayed."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

from commscope.analysis.join import join
from commscope.analysis.rank import analyze_rank
from commscope.errors import CommScopeError, IncompleteTrace
from commscope.readers import open_run, read_rank
from commscope.report.analysis_sections import analysis_sections
from commscope.report.contract import analysis_document
from commscope.whatif import Scenario, replay_all
from tests.readers.mutator import mutate, seed_text

INPUTS = 200
NAMES = (
    "commscope:layer:99999999999", "commscope:layer:3", "layer 7", "ProfilerStep#3", "ProfilerStep#" + 30 * "9",
    "commscope:phase:backward", "Optimizer.step#A", "cudaDeviceSynchronize", "ncclDevKernel_SendRecv()", "gloo:all_reduce",
)  # fmt: skip


def test_what_can_be_read_can_be_analyzed(tmp_path: Path) -> None:
    chance = random.Random(11)
    path = tmp_path / "rank0.json"
    analyzed = 0
    for _ in range(INPUTS):
        path.write_bytes(mutate(renamed(chance), chance))
        try:
            run = open_run(path)
            ranks = [read_rank(part, run.info) for part in run.parts]
        except CommScopeError:
            continue
        analysis = join(run.info, [analyze_rank(rank) for rank in ranks], run.gaps)
        json.dumps(analysis_document(analysis))
        assert analysis_sections(analysis)
        if analysis.skeletons:
            with contextlib.suppress(IncompleteTrace):  # one rank of several is not replayed
                assert replay_all(analysis, Scenario()) or not analysis.critical_paths
        analyzed += 1
    assert analyzed > INPUTS / 2


def renamed(chance: random.Random) -> bytes:
    """The small trace with another of its events' names and kinds."""
    document = json.loads(seed_text())
    event = chance.choice(document["traceEvents"])
    event["name"] = chance.choice(NAMES)
    event["cat"] = chance.choice(("user_annotation", "cpu_op", "kernel", "cuda_runtime", "gpu_memcpy"))
    return json.dumps(document).encode()
