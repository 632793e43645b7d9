"""An agent's questions, asked by the protocol's own client, against the figures of the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from commscope.agents import server_over
from commscope.agents.roots import Roots
from commscope.engine import analyze
from commscope.errors import UsageProblem
from commscope.readers import open_run
from tests.conftest import CHECKOUT

TRACES = CHECKOUT / "traces"
SP, TP = "gpt-tp2-sp", "gpt-tp2"
Ask = Callable[..., Awaitable[dict[str, Any]]]


def asked(questions: Callable[[Ask], Awaitable[None]], root: Path = TRACES) -> None:
    """Questions to a server in this process."""

    async def run() -> None:
        async with Client(server_over(Roots.of([str(root)]))) as client:

            async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
                result = await client.call_tool(tool, arguments)
                text = "".join(getattr(part, "text", "") for part in result.content)
                return {"error": text} if result.is_error else dict(json.loads(text))

            await questions(ask)

    asyncio.run(run())


def test_ten_questions_get_exact_figures() -> None:
    async def questions(ask: Ask) -> None:
        truth = analyze(open_run(TRACES / SP), jobs=1)
        assert {SP, TP} <= set((await ask("runs"))["runs"])
        told = await ask("analyze", run=SP, window="step 7")
        assert {row["rank"]: row["compute_ns"] for row in told["breakdown"]} == {
            row.rank: row.compute_ns for row in truth.breakdown if row.window == "step 7"
        }
        assert told["matching"]["matched"] == truth.matching.matched
        (path,) = told["critical_path"]
        assert path["length_ns"] == next(p.length_ns for p in truth.critical_paths if p.window == "step 7")
        here = truth.instances[(truth.instances["window"] == "step 7") & (truth.instances["rank"] == 0)]
        sent = sum(row["total_wire_bytes"] for row in told["collectives"] if row["rank"] == 0)
        assert sent == int(here["wire_bytes"].sum())
        whole = await ask("analyze", run=SP)
        assert whole["window"].startswith("step")
        both = await ask("compare", baseline=TP, candidate=SP)
        sides = next(row for row in both["metrics"] if row["metric"] == "communication.wire_bytes")
        steps = truth.instances[truth.instances["window"] != "capture"]
        assert sides["candidate"] == steps["wire_bytes"].sum() / len(truth.ranks) / (len(truth.windows) - 1)
        assert {finding["level"] for finding in (await ask("doctor", run=SP))["findings"]} <= {
            "fine",
            "info",
            "warn",
        }
        free = await ask("whatif", run=SP, comm_free=True)
        assert all(row["replayed_ns"] <= row["recorded_ns"] for row in free["steps"])
        planned = await ask("plan", tp=2, sp=True, hidden=128, seq=64, batch=2)
        assert planned
        one = await ask("instance", run=SP, number=0)
        rows = truth.instances[truth.instances["instance"] == 0]
        assert [row["wait_ns"] for row in one["rows"]] == rows["wait_ns"].tolist()

    asked(questions)


def test_what_cannot_be_told_is_null_with_a_reason(field_cases: Path) -> None:
    async def questions(ask: Ask) -> None:
        told = await ask("analyze", run="flight_recorder", window="capture")
        assert told["breakdown"] == []
        assert all(row["known_wait_ns"] is None for row in told["collectives"])
        assert any("not when their work ran" in reason for reason in told["cannot_tell"])

    asked(questions, field_cases)


def test_nothing_outside_the_roots_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(TRACES)

    async def questions(ask: Ask) -> None:
        for name in ("../traces", "out/gpt-tp2", str(TRACES / TP), "nowhere", "\0"):
            assert "no run" in (await ask("analyze", run=name))["error"], name

    asked(questions, tmp_path)


def test_a_wrong_question_is_answered_with_what_is_right() -> None:
    async def questions(ask: Ask) -> None:
        assert "step 7" in (await ask("analyze", run=TP, window="step 99"))["error"]
        assert "hint" in (await ask("whatif", run=TP))["error"]
        assert "no matched instance" in (await ask("instance", run=TP, number=10**6))["error"]

    asked(questions)


def test_long_tables_are_cut_and_say_so() -> None:
    async def questions(ask: Ask) -> None:
        told = await ask("analyze", run="gpt-dp2-ddp", window="capture")
        assert all(len(value) <= 40 for value in told.values() if isinstance(value, list))
        assert set(told["left_out"]) == {key for key in told["left_out"] if len(told[key]) == 40}

    asked(questions)


def test_a_root_that_is_no_folder_is_refused() -> None:
    with pytest.raises(UsageProblem, match="not a folder"):
        Roots.of([str(TRACES / "README.md")])


def test_the_command_speaks_the_protocol_on_its_stdin_and_stdout() -> None:
    async def run() -> list[str]:
        command = StdioServerParameters(
            command=sys.executable, args=["-m", "commscope", "mcp", str(TRACES)], cwd=str(CHECKOUT)
        )
        async with Client(stdio_client(command)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    assert sorted(asyncio.run(run())) == [
        "analyze",
        "compare",
        "doctor",
        "instance",
        "plan",
        "runs",
        "whatif",
    ]
