"""`plan --table`: rows win over options, measured rows set the constants, rows without a closed form say why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commscope.cli.main import run
from tests.theory.real_steps import B200_STEPS

LLAMA_LINE = (
    "plan llama --gpu b200 --sp --dp-kind zero1 --layers 12 --hidden 8192 --ffn 28672 --heads 64 "
    "--kv-heads 8 --vocab 128256 --batch 1 --dtype bfloat16"
)
SMALL_LINE = "plan gpt --hidden 4096 --heads 32 --layers 32 --seq 2048 --dtype bfloat16"
LLAMA, SMALL = LLAMA_LINE.split(), SMALL_LINE.split()


def told(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Any]:
    assert run([*arguments, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_real_rows_calibrated_on_two_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["# measured elsewhere", "case,tp,pp,dp,cp,ep,seq,microbatches,step_ms,peak_alloc_gib"]
    for step in B200_STEPS:
        sides = step.layout
        sizes = f"{sides.tp},{sides.pp},{sides.dp},{sides.cp},1,{step.model.seq},{step.model.microbatches}"
        lines.append(f"{step.name},{sizes},{step.time_ms},{step.memory_bytes / 2**30}")
    lines.append("experts,1,1,8,1,8,4096,4,366.6,45.63")
    table = tmp_path / "rows.csv"
    table.write_text("\n".join(lines))
    fitted = [
        step.name for step in B200_STEPS if step.name.startswith(("tp2 pp1 dp4", "tp8")) and "m4" in step.name
    ]
    found = told(capsys, [*LLAMA, "--table", str(table), "--calibrate", ",".join(fitted)])
    *dense, experts = found["rows"]
    assert found["constants"]["source"] == "calibrated on given steps"
    assert "ep=8" in experts["refused"]
    assert experts["time_ns"] is None
    errors = [abs(row["time_error"]) for row in dense if row["case"] not in fitted]
    assert len(errors) == len(B200_STEPS) - 2
    assert max(errors) <= 0.09
    assert sum(errors) / len(errors) <= 0.04
    assert max(abs(row["memory_error"]) for row in dense) <= 0.02


def test_rows_that_differ_in_tp_alone_get_the_serial_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("tp,sp\n1,no\n2,yes\n4,yes\n")
    found = told(capsys, [*SMALL, "--table", str(table)])
    times = [row["time_ns"] for row in found["rows"]]
    x = [1 - 1 / tp for tp in (1, 2, 4)]
    y = [time / times[0] - 1 / tp for time, tp in zip(times, (1, 2, 4), strict=True)]
    assert found["serial_share"] == pytest.approx(
        sum(a * b for a, b in zip(x, y, strict=True)) / sum(a * a for a in x)
    )
    assert [row["efficiency"] for row in found["rows"]] == pytest.approx([times[0] / time for time in times])
    assert found["rows"][1]["efficiency_by_operations"] == pytest.approx(times[0] / times[1] / 2)


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("", [], "no rows a plan can be made of"),
        ("name\nx\n", [], "no rows a plan can be made of"),
        ("case,tp\na,2\n", ["--calibrate", "b"], "no row b"),
        ("case,tp\na,2\n", ["--calibrate", "a"], "was not measured"),
        ("case,tp,step_ms\na,2,fast\n", [], "'fast' is no number"),
        ("case,tp,step_ms\na,2,-1\n", ["--calibrate", "a"], "'-1' is no number above 0"),
        ("case,tp,step_ms\na,2,nan\n", [], "'nan' is no number above 0"),
    ],
)
def test_tables_that_make_no_sense(
    text: str, more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text(text)
    assert run([*SMALL, "--table", str(table), *more]) == 2
    assert said in capsys.readouterr().err


def test_a_row_that_does_not_divide_is_told_and_the_others_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("tp\n1\n3\n")
    first, second = told(capsys, [*SMALL, "--table", str(table)])["rows"]
    assert first["refused"] is None
    assert "is not a multiple of 3" in second["refused"]
    assert run([*SMALL, "--table", str(table)]) == 0
    assert "is not a multiple of 3" in capsys.readouterr().out
