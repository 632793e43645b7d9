"""The command line as a user meets it: help, exit codes, three-line messages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commscope.cli.main import COMMANDS, SUMMARIES, run


def commscope(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "commscope", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_help_imports_neither_torch_nor_pandas_nor_dash() -> None:
    code = (
        "import sys; from commscope.cli.main import run; run(['--help']); "
        "print([m for m in ('torch', 'pandas', 'numpy', 'dash', 'plotly', 'rich') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip().splitlines()[-1] == "[]"


def test_help_lists_every_command_with_a_sentence() -> None:
    answer = commscope("--help")
    assert answer.returncode == 0
    assert all(name in answer.stdout for name in COMMANDS)
    assert set(COMMANDS) == set(SUMMARIES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "Usage: commscope" in capsys.readouterr().out


def test_an_unknown_command_exits_2_in_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flourish"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "where", "hint"]


def bad_inputs(folder: Path) -> dict[str, Path]:
    empty = folder / "empty.json"
    empty.write_text("")
    not_gzip = folder / "cut.json.gz"
    not_gzip.write_bytes(b"\x1f\x8b\x08\x00\x00")
    no_trace = folder / "no_trace.json"
    no_trace.write_text(json.dumps({"name": "package", "version": 3}))
    nothing = folder / "nothing"
    nothing.mkdir()
    return {
        "missing folder": folder / "absent",
        "empty file": empty,
        "gzip cut in its header": not_gzip,
        "JSON that is no trace": no_trace,
        "empty folder": nothing,
    }


@pytest.mark.parametrize(
    "case",
    ["missing folder", "empty file", "gzip cut in its header", "JSON that is no trace", "empty folder"],
)
def test_wrong_input_is_told_in_three_lines_with_exit_code_2(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bad_inputs(tmp_path)[case]
    assert run(["analyze", str(path)]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == ""
    assert [line.split(":")[0] for line in lines] == ["error", "where", "hint"]
    assert str(path) in lines[1]


def test_an_existing_output_is_not_overwritten(
    tmp_path: Path, real_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "report.json"
    output.write_text("mine")
    trace = str(real_traces / "gloo" / "colls")
    assert run(["analyze", trace, "--format", "json", "-o", str(output)]) == 2
    assert output.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert run(["analyze", trace, "--format", "json", "-o", str(output), "--force"]) == 0
    assert json.loads(output.read_text())["schema"] == "commscope.analysis/1"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_fault_of_ours_exits_2_and_not_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import commscope.readers

    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(commscope.readers, "open_run", crash)
    assert run(["analyze", str(tmp_path)]) == 2
    assert "a fault of ours" in capsys.readouterr().err


def test_a_trace_cut_in_the_middle_answers_but_says_so_in_three_lines(
    tmp_path: Path, real_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (real_traces / "gloo" / "mcore0161_tp2" / "rank0.json.gz").read_bytes()
    (tmp_path / "rank0.json.gz").write_bytes(whole[: len(whole) // 2])
    assert run(["analyze", str(tmp_path), "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert "truncated" in [gap["code"] for gap in json.loads(captured.out)["gaps"]]
    lines = captured.err.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["warning", "where", "hint"]
    assert str(tmp_path) in lines[1]


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_reader_that_closes_the_pipe_early_does_not_look_like_a_broken_budget(form: str) -> None:
    traces = Path(__file__).resolve().parents[1] / "traces"
    command = [sys.executable, "-m", "commscope", "check", str(traces / "gpt-tp2"), "--baseline", str(traces)]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--format", form], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        assert process.wait(timeout=120) == 0, errors
    assert "Traceback" not in errors


def test_an_interrupt_inside_code_run_from_a_string_leaves_with_130(tmp_path: Path) -> None:
    # CPython would end the process by SIGINT at its exit, although the interrupt was caught
    (tmp_path / "interrupted.py").write_text(
        "import sys, commscope.cli.main\n"
        "main = sys.modules['commscope.cli.main']\n"
        "def interrupted(**_): exec('raise KeyboardInterrupt')\n"
        "main.commscope.main = interrupted\n"
        "main.main([])\n"
    )
    command = [sys.executable, "-m", "interrupted"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (answer.returncode, answer.stderr.strip()) == (130, "interrupted")


@pytest.mark.parametrize(
    "arguments", [["plan", "gpt"], ["plan", "gpt", "--format", "json"], ["doctor", "run"]]
)
def test_what_needs_no_tables_imports_no_pandas(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 1, "tid": 1, "ts": 1, "dur": 5}
    (tmp_path / "run" / "rank0.json").write_text(json.dumps({"traceEvents": [event]}))
    code = (
        f"import sys; from commscope.cli.main import run; assert run({arguments}) == 0; "
        "print([m for m in ('torch', 'pandas', 'scipy', 'plotly', 'dash') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
    )
    assert answer.stdout.strip().splitlines()[-1] == "[]"
