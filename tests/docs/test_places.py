"""Files for other places: image, cluster, release. No engine runs here, so each line is held against what there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from commscope.cli.main import commscope
from tests.conftest import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def steps() -> list[tuple[str, str]]:
    lines = (CHECKOUT / "Dockerfile").read_text().splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def test_the_image_is_built_from_files_that_are_there(tmp_path: Path) -> None:
    """COPY as it says, then the wheel from what was copied."""
    copies = [shlex.split(rest) for word, rest in steps() if word == "COPY"]
    for *sources, target in copies:
        place = tmp_path / target.lstrip("/")
        for source in sources:
            origin = CHECKOUT / source
            if origin.is_dir():
                shutil.copytree(origin, place)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, place)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w"]
    subprocess.run([*build, str(tmp_path / "out"), str(tmp_path / "src")], check=True, timeout=300)
    assert list((tmp_path / "out").glob("commscope-*.whl"))


def test_the_image_installs_extras_that_exist_on_a_python_that_will_do() -> None:
    told = dict(steps())
    version = re.fullmatch(r"python:3\.(\d+)-slim", told["FROM"])
    assert version is not None
    assert int(version[1]) >= int(PROJECT["requires-python"].removeprefix(">=3."))
    (install,) = [rest for word, rest in steps() if word == "RUN" and "pip install" in rest]
    extras = re.search(r"/src\[([\w,]+)\]", install)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    assert told["ENTRYPOINT"] == '["commscope"]'
    assert "commscope" in PROJECT["scripts"]


def options_of(command: str) -> set[str]:
    found = commscope.get_command(click.Context(commscope), command)
    assert found is not None
    return {name for option in found.params for name in option.opts}


@pytest.mark.parametrize("command", ["record"])
def test_the_cluster_recipe_names_options_that_exist(command: str) -> None:
    _, job = yaml.safe_load_all((CHECKOUT / "docs" / "recipes" / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    words = shlex.split(container["args"][0].split(" -- ")[0])
    assert words[:2] == ["commscope", command]
    named = {word for word in words if word.startswith("-")}
    assert named <= options_of(command)
    assert words[words.index("--nnodes") + 1] == str(job["spec"]["completions"])


def test_the_ray_recipe_uses_what_the_package_exports() -> None:
    import commscope as package

    text = (CHECKOUT / "docs" / "recipes" / "ray_train.py").read_text()
    compile(text, "ray_train.py", "exec")
    assert set(re.findall(r"commscope\.(\w+)\(", text)) <= set(package.__all__)


def test_the_release_starts_by_hand_only() -> None:
    told = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "release.yml").read_text())
    assert told[True] == "workflow_dispatch"  # YAML reads the key `on` as a truth value
    runs = [step["run"] for step in told["jobs"]["build"]["steps"] if "run" in step]
    assert any("commscope check --baseline traces" in run for run in runs)
