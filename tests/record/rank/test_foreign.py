"""Ordinary shapes of ordinary scripts: DDP in a function, an own profiler, spawned ranks, GANs, inference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

from commscope.cli.main import run
from commscope.engine import analyze
from commscope.readers import open_run
from tests.record.foreign import DDP, GAN, INFERENCE, OWN_PROFILER, SPAWN, TIMED
from tests.record.programs import is_alive, pids_of

pytestmark = pytest.mark.record


def recorded(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    script = folder / "train.py"
    script.write_text(code, encoding="utf-8")
    words = [
        "record",
        *options,
        "--steps",
        "2",
        "--warmup",
        "2",
        "-o",
        str(folder / "run"),
        "--",
        str(script),
    ]
    command = [sys.executable, "-m", "commscope", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def no_orphans(run: Path) -> bool:
    return not any(is_alive(pid) for pid in pids_of(run))


def test_ddp_in_a_function_ends_well(tmp_path: Path) -> None:
    for attempt in range(4):  # it hung in every second recording
        folder = tmp_path / str(attempt)
        folder.mkdir()
        done = recorded(folder, DDP, "--nproc", "2", "--timeout", "30")
        assert done.returncode == 0, done.stderr
        assert no_orphans(folder / "run")


def test_a_scripts_own_profiler_stands_still(tmp_path: Path) -> None:
    done = recorded(tmp_path, OWN_PROFILER, "--nproc", "2")
    assert done.returncode == 0, done.stderr
    gaps = msgspec.json.decode((tmp_path / "run" / "run.json").read_bytes())["gaps"]
    assert [gap["ranks"] for gap in gaps if gap["code"] == "own_profiler"] == [[0, 1]]
    assert analyze(open_run(tmp_path / "run")).matching.matched > 0


def test_a_script_that_spawns_its_ranks_is_told_how_to_start(tmp_path: Path) -> None:
    done = recorded(tmp_path, SPAWN)
    assert done.returncode != 0
    assert "the script starts its ranks itself (torch.multiprocessing.spawn)" in done.stderr
    assert "hint: run it plainly with" in done.stderr
    assert no_orphans(tmp_path / "run")


def test_three_steps_of_the_critic_and_one_of_the_generator_are_one_step(tmp_path: Path) -> None:
    done = recorded(tmp_path, GAN, "--nproc", "1")
    assert done.returncode == 0, done.stderr
    trace = open_run(tmp_path / "run")
    steps = [window for window in analyze(trace).windows if window.name != "capture"]
    assert len(steps) == 2
    assert names_within(tmp_path / "run", "Optimizer.step#SGD.step") == 8  # four a step


def test_inference_has_steps_by_call(tmp_path: Path) -> None:
    done = recorded(tmp_path, INFERENCE, "--steps-by", "call")
    assert done.returncode == 0, done.stderr
    assert names_within(tmp_path / "run", "aten::relu") == 2


def test_steps_by_a_named_call(tmp_path: Path) -> None:
    done = recorded(tmp_path, INFERENCE, "--steps-by", "call=torch.nn:ReLU.forward")
    assert done.returncode == 0, done.stderr
    missing = recorded(tmp_path, INFERENCE, "--force", "--steps-by", "call=torch.nn:Nothing.forward")
    assert "--steps-by call=torch.nn:Nothing.forward names nothing that can be called" in missing.stderr


def test_rank_0_is_on_the_screen(tmp_path: Path) -> None:
    done = recorded(tmp_path, INFERENCE, "--steps-by", "call", "--nproc", "2")
    assert [line.partition("pid")[0] for line in done.stdout.splitlines() if "pid" in line] == ["rank 0: "]


def test_a_line_is_on_the_screen_when_it_is_printed(tmp_path: Path) -> None:
    done = recorded(tmp_path, "import os\nprint('before the end')\nos.kill(os.getpid(), 9)")
    assert done.returncode == 137
    assert "rank 0: before the end" in done.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("python", "train.py", "--lr", "1"), "commscope record -- train.py --lr 1"),
        (("torchrun", "--nproc-per-node", "4", "train.py"), "commscope record --nproc N -- train.py"),
    ],
)
def test_a_launcher_in_front_of_the_script_is_told(
    words: tuple[str, ...], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["record", "--", *words]) == 2
    told = capsys.readouterr().err
    assert f"{words[0]} is no script" in told
    assert hint in told


def names_within(run: Path, name: str) -> int:
    """How often an event of that name was recorded."""
    from commscope.readers import read_rank

    found = open_run(run)
    events = read_rank(found.parts[0], found.info).events
    return sum(events.names[row] == name for row in events.name_id.tolist())


def test_seconds_are_counted_from_the_first_collective_and_ranks_stop_together(tmp_path: Path) -> None:
    done = recorded(tmp_path, TIMED, "--nproc", "2", "--steps-by", "time", "--stop", "--warmup", "1")
    assert done.returncode == 0, done.stderr
    found = analyze(open_run(tmp_path / "run"))
    assert len([window for window in found.windows if window.name != "capture"]) == 2
    assert found.matching.matched > 2
    assert found.matching.unmatched <= 4  # two a border at most, where a rank is not heard in time
    assert no_orphans(tmp_path / "run")
