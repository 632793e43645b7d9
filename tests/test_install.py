"""The wheel in an environment with the core's dependencies and neither torch, dash nor nvtx."""

from __future__ import annotations

import importlib.metadata as metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
ABSENT = ("torch", "dash", "nvtx", "distributed", "mcp")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout."""
    return wheel_in(tmp_path_factory.mktemp("wheel"), dict(os.environ))


@pytest.fixture(scope="module")
def wheel_without_compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same built where no compiler is."""
    return wheel_in(tmp_path_factory.mktemp("wheel-pure"), {**os.environ, "CC": "/nowhere/cc"})


def wheel_in(folder: Path, environment: dict[str, str]) -> Path:
    """A wheel, built from a copy so that nothing is left in the tree."""
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("traces/", "tests/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "-w", str(folder), str(source)],
        check=True,
        timeout=300,
        env=environment,
    )
    return next(folder.glob("commscope-*.whl"))


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python whose site-packages hold the wheel and links to the dependencies, nothing else."""
    return python_with(wheel, tmp_path_factory.mktemp("bare"))


def python_with(wheel: Path, home: Path) -> Path:
    venv.create(home, with_pip=False, symlinks=True)
    site = next((home / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    for name in core_dependencies():
        link_distribution(name, site)
    return home / "bin" / "python"


def core_dependencies() -> set[str]:
    """Names of what `pip install commscope` without extras brings, with what that brings in turn."""
    found: set[str] = set()
    wanted = ["commscope"]
    while wanted:
        for requirement in metadata.requires(wanted.pop()) or []:
            name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
            if "extra ==" in requirement or name in found:
                continue
            try:
                metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue  # for another platform
            found.add(name)
            wanted.append(name)
    return found


def link_distribution(name: str, site: Path) -> None:
    distribution = metadata.distribution(name)
    tops = {Path(str(file)).parts[0] for file in distribution.files or [] if ".." not in str(file)}
    for top in tops - {"__pycache__"}:
        origin = Path(str(distribution.locate_file(top)))
        if origin.exists() and not (site / top).exists():
            (site / top).symlink_to(origin)


def test_the_readmes_ci_block_passes_where_only_the_wheel_is(bare_python: Path, tmp_path: Path) -> None:
    """No checkout on the path, no environment of ours: the saved runs are held against what is expected."""
    shutil.copytree(ROOT / "traces", tmp_path / "traces")
    known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [str(bare_python), "-m", "commscope", "check", "--baseline", "traces", "--format", "github"]
    done = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_generic_name_reaches_site_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {"commscope", "commscope_workloads", "commscope_dashboard"}


def test_the_wheel_is_typed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"commscope/py.typed", "commscope_workloads/py.typed", "commscope_dashboard/py.typed"} <= set(
        names
    )


@pytest.mark.parametrize("module", ABSENT)
def test_the_environment_lacks(module: str, bare_python: Path) -> None:
    answer = subprocess.run(
        [bare_python, "-c", f"import {module}"], capture_output=True, check=False, timeout=60
    )
    assert answer.returncode == 1


def test_analyze_and_compare_work_there(bare_python: Path, tmp_path: Path) -> None:
    for run, late_us in (("a", 20), ("b", 40)):
        write_gloo_run(tmp_path / run, late_us)
    command = [str(bare_python), "-m", "commscope"]
    analyze = subprocess.run(
        [*command, "analyze", "a", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(analyze.stdout)
    assert document["matching"]["matched"] == 1
    compare = subprocess.run(
        [*command, "compare", "a", "b", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    metrics = {row["metric"]: row for row in json.loads(compare.stdout)["metrics"]}
    assert metrics["communication.payload_bytes"]["baseline"] == 1024 * 4


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler here")
def test_one_wheel_with_the_core_serves_every_python(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("commscope/_core.abi3")]


def test_without_a_compiler_it_installs_and_says_the_same(
    wheel_without_compiler: Path, bare_python: Path, tmp_path: Path
) -> None:
    assert not [name for name in zipfile.ZipFile(wheel_without_compiler).namelist() if name.endswith(".so")]
    pure = python_with(wheel_without_compiler, tmp_path / "bare")
    write_gloo_run(tmp_path / "a", 20)

    alone = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "COMMSCOPE_PURE"}
    }

    def said(python: Path, *arguments: str) -> str:
        command = [str(python), "-m", "commscope", *arguments]
        options: Any = {"cwd": tmp_path, "env": alone, "capture_output": True, "text": True}
        return subprocess.run(command, check=True, **options).stdout

    assert "reader in Python (no compiled one)" in said(pure, "--version")
    arguments = ("analyze", "a", "--format", "json")
    assert said(pure, *arguments) == said(bare_python, *arguments)


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [(["record", "gpt"], "torch nvtx"), (["dashboard", "a"], "dash dash-mantine"), (["mcp", "a"], "mcp")],
)
def test_what_needs_an_extra_says_which(
    arguments: list[str], packages: str, bare_python: Path, tmp_path: Path
) -> None:
    write_gloo_run(tmp_path / "a", 20)
    answer = subprocess.run(
        [str(bare_python), "-m", "commscope", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert f"hint: pip install {packages}" in answer.stderr
    assert "Traceback" not in answer.stderr


def write_gloo_run(folder: Path, late_us: int) -> None:
    """Two ranks, one all-reduce of 1024 floats; rank 1 arrives `late_us` later."""
    folder.mkdir()
    for rank in (0, 1):
        start = 100 + late_us * rank
        shape = {"Input Dims": [[[1024]]], "Input type": ["TensorList"]}
        work = {"Input Dims": [[1024]], "Input type": ["float"]}
        events = [
            {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": 10, "dur": start - 20},
            {
                "ph": "X",
                "cat": "cpu_op",
                "name": "c10d::allreduce_",
                "pid": 1,
                "tid": 1,
                "ts": start - 5,
                "dur": 3,
            }
            | {"args": shape},
            {"ph": "X", "cat": "user_annotation", "name": "gloo:all_reduce", "pid": 1, "tid": 2}
            | {"ts": start, "dur": 200 - start, "args": work},
            {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "ts": 210, "dur": 10},
        ]
        info = {"backend": "gloo", "rank": rank, "world_size": 2, "pg_count": 1}
        info["pg_config"] = [{"pg_name": "0", "pg_desc": "default_pg", "pg_size": 2, "ranks": [0, 1]}]
        trace = {"schemaVersion": 1, "distributedInfo": info, "traceEvents": events}
        (folder / f"rank{rank}.json").write_text(json.dumps(trace))
