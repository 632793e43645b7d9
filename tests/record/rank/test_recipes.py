"""The recipes of docs/recipes, where their packages are installed: the same collectives as the traces others recorded."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")

from commscope.engine import analyze
from commscope.readers import open_run
from commscope.record.handover.request import RecordRequest
from commscope.record.launcher.launch import record
from commscope.schema import CAPTURE
from tests.conftest import CHECKOUT

pytestmark = pytest.mark.record
RECIPES = [
    ("megatron.core", "megatron_gpt.py", (), "mcore0161_tp2"),
    ("megatron.core", "megatron_gpt.py", ("--sp",), "mcore0161_sp2"),
    ("megatron.core", "megatron_gpt.py", ("--sp", "--recompute"), "mcore0161_sp2_full"),
    ("torchtitan", "torchtitan_llama.py", (), "torchtitan022_tp2"),
]
Moved = Counter[tuple[object, ...]]


def of_last_step(run: Path) -> dict[int, Moved]:
    """Collectives of each rank by phase, kind and payload."""
    instances = analyze(open_run(run)).instances
    last = max(
        (name for name in instances["window"].unique() if name != CAPTURE),
        key=lambda name: int(name.split()[-1]),
    )
    rows = instances[instances["window"] == last][["rank", "phase", "collective", "payload_bytes"]]
    found: dict[int, Moved] = {}
    for rank, *key in rows.itertuples(index=False, name=None):
        found.setdefault(rank, Counter())[tuple(key)] += 1
    return found


@pytest.mark.parametrize(
    ("package", "script", "flags", "reference"), RECIPES, ids=[row[3] for row in RECIPES]
)
def test_a_recipe_moves_what_the_recorded_program_moved(
    tmp_path: Path, real_traces: Path, package: str, script: str, flags: tuple[str, ...], reference: str
) -> None:
    if find_spec(package.partition(".")[0]) is None:
        pytest.skip(f"{package} is not installed; docs/recording.md says how to")
    path = CHECKOUT / "docs" / "recipes" / script
    run = record(RecordRequest(tmp_path / "run", script, (str(path), *flags), nproc=2, steps=2, warmup=2))
    assert of_last_step(run) == of_last_step(real_traces / "gloo" / reference)


def test_transformers_reduces_every_column_parallel_input_by_itself(tmp_path: Path) -> None:
    """Per layer 2 all-reduces forward and 5 backward (q, k, v, gate, up); embedding, head and its gather once."""
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed; docs/recording.md says how to")
    path = CHECKOUT / "docs" / "recipes" / "transformers_tp.py"
    run = record(RecordRequest(tmp_path / "run", path.name, (str(path),), nproc=2, steps=2, warmup=2))
    input_bytes, logits_bytes = 2 * 32 * 128 * 4, 2 * 32 * 512 * 4
    expected = {
        ("forward", "all_reduce", input_bytes): 1 + 2 * 2,
        ("forward", "all_gather", logits_bytes): 1,
        ("backward", "all_reduce", input_bytes): 5 * 2 + 1,
    }
    assert of_last_step(run) == {0: expected, 1: expected}
