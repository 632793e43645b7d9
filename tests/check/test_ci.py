"""The workflow, the action and the documentation's configuration, as CI would run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from commscope.check import parse_config
from tests.conftest import CHECKOUT

SAVED = CHECKOUT / "traces" / "gpt-tp2"
NAMES = ("tp2-1", "tp2-2", "tp2-3")


def shell(script: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    known = {**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": "", "CI": "", **environment}
    return subprocess.run(
        ["bash", "-ec", script], cwd=place, env=known, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three saved runs as if just recorded, and the baseline made of them."""
    folder = tmp_path_factory.mktemp("ci")
    for name in NAMES:
        shutil.copytree(SAVED, folder / "runs" / name, ignore=shutil.ignore_patterns("expected.json"))
    runs = " ".join(f"runs/{name}" for name in NAMES)
    done = shell(f"commscope check {runs} --baseline traces --update-baseline", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "traces" / "tp2" / "expected.json").is_file()
    return folder


def steps_of(workflow: str) -> list[str]:
    """What a workflow types for `commscope check`."""
    text = (CHECKOUT / "docs" / "ci" / workflow).read_text(encoding="utf-8")
    return re.findall(r"(commscope check .*)", text)


@pytest.mark.parametrize("workflow", ["github.yml", "gitlab.yml"])
def test_the_workflows_checks_run_as_they_stand(place: Path, workflow: str) -> None:
    steps = steps_of(workflow)
    assert steps
    for step in steps:
        (place / "junit.xml").unlink(missing_ok=True)
        done = shell(step, place)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "<testsuites" in (place / "junit.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["docs/ci/github.yml", "docs/ci/gitlab.yml", "action.yml"])
def test_the_examples_are_yaml_of_the_shape_ci_reads(file: str) -> None:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load((CHECKOUT / file).read_text(encoding="utf-8"))
    if "gitlab" in file:
        assert found["communication"]["artifacts"]["reports"] == {"junit": "junit.xml"}
        assert all(isinstance(line, str) for line in found["communication"]["script"])
        return
    job = found["runs"] if file == "action.yml" else found["jobs"]["check"]
    assert all({"run", "uses"} & set(step) for step in job["steps"])
    assert job.get("using", "composite") == "composite"
    assert "runs-on" in job or all(step["shell"] == "bash" for step in job["steps"])


def test_the_action_fails_where_the_gate_fails(place: Path, tmp_path: Path) -> None:
    text = (CHECKOUT / "action.yml").read_text(encoding="utf-8")
    block = text[text.index("run: |\n", text.index("id: check")) + len("run: |\n") :]
    script = "\n".join(line[8:] for line in block.splitlines())
    files = {
        "GITHUB_OUTPUT": str(tmp_path / "out"),
        "COMMSCOPE_JUNIT": str(tmp_path / "j.xml"),
        "COMMSCOPE_CONFIG": "",
    }
    good = shell(script, place, COMMSCOPE_RUNS="runs/tp2-1", COMMSCOPE_BASELINE="traces", **files)
    assert good.returncode == 0, good.stdout + good.stderr
    assert (tmp_path / "j.xml").is_file()
    assert "junit=" in (tmp_path / "out").read_text(encoding="utf-8")
    shutil.copytree(CHECKOUT / "traces" / "gpt-tp2-recompute-full", tmp_path / "tp2-9")
    bad = shell(script, place, COMMSCOPE_RUNS=str(tmp_path / "tp2-9"), COMMSCOPE_BASELINE="traces", **files)
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "::error" in bad.stdout
    assert "all_reduce in recompute 0 → 4 a step" in bad.stdout


def test_in_ci_a_bot_cannot_bless_itself(place: Path) -> None:
    done = shell("commscope check runs/tp2-1 --baseline new --update-baseline", place, CI="true")
    assert done.returncode == 1


def test_the_documented_configuration_is_valid() -> None:
    text = (CHECKOUT / "docs" / "check.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    config = parse_config(tomllib.loads(example)["tool"]["commscope"]["check"], "docs")
    assert config.baseline == "traces"
    assert len(config.expectations) == 4
