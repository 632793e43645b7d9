"""What makes no sense is refused alike by plan and record, before any rank starts, with a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from commscope.cli.main import run

WRONG = (
    ("gpt --hidden 64 --heads 128", "hidden 64 is not a multiple of 128"),
    ("gpt --kv-heads 3", "heads 8 is not a multiple of 3"),
    ("gpt --tp 3", "heads 8 is not a multiple of 3"),
    ("gpt --tp 2 --vocab 511", "vocab 511 is not a multiple of 2"),
    ("llama --tp 2 --ffn 383", "ffn 383 is not a multiple of 2"),
    ("gpt --tp 2 --sp --seq 63", "seq 63 is not a multiple of 2"),
    ("llama --tp 4 --unfused --kv-heads 2", "2 KV heads cannot be split over 4 ranks"),
    ("llama --tp 4 --heads 12 --hidden 96 --kv-heads 6", "do not divide each other"),
    ("llama --hidden 24 --heads 8", "heads of 3 columns have no halves"),
    ("gpt --recompute-layers 1", "--recompute-layers without full recompute"),
    ("gpt --recompute full --recompute-layers 3 --layers 2", "3 of 2 layers cannot be recomputed"),
    ("gpt --tp 2 --distribute-saved", "--distribute-saved without full recompute"),
    ("gpt --layers 0", "0 is not in the range"),
)


@pytest.mark.parametrize(("options", "said"), WRONG, ids=[options for options, _ in WRONG])
def test_plan_and_record_refuse_alike(
    options: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["plan"], ["record", "-o", str(tmp_path / "run")]):
        assert run([*command, *options.split()]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "hint: " in error
        assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "option", ["--efficiency 0", "--gpu-memory -1", "--busbw all_reduce=0", "--gpu h1000"]
)
def test_a_plan_refuses_machines_that_cannot_be(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "gpt", *option.split()]) == 2
    assert "hint: " in capsys.readouterr().err
