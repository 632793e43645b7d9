"""The server: read-only tools by name, each a question to the command line, over given roots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from commscope import __version__
from commscope.agents.capped import cannot_tell, capped, of_window
from commscope.agents.documents import document
from commscope.agents.roots import Roots
from commscope.errors import CommScopeError

INSTRUCTIONS = """CommScope tells where the time of distributed training steps went.
Times are ns, sizes bytes, busbw GB/s. null: "cannot be told", never zero; `cannot_tell` and `gaps` say why.
Start with `runs`, then `analyze`. `compare` says what differs; a time is called faster or slower only where
repetitions prove it. `whatif` replays a step, `plan` predicts from closed forms without a run."""
_READ_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def serve(roots: Sequence[str]) -> None:
    """Answer on stdin and stdout until they close. Raises UsageProblem where a root is no folder."""
    server_over(Roots.of(roots)).run("stdio")


def server_over(roots: Roots) -> MCPServer[Any]:
    """A server with all tools."""
    server: MCPServer[Any] = MCPServer("commscope", instructions=INSTRUCTIONS, version=__version__)
    for answer in _tools(roots):
        server.tool(annotations=_READ_ONLY)(_telling(answer))
    return server


def _telling(answer: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """What the user did wrong reaches the agent as the error of its call."""

    @wraps(answer)
    def told(*arguments: Any, **named: Any) -> dict[str, Any]:
        try:
            return answer(*arguments, **named)
        except CommScopeError as error:
            raise ToolError(str(error)) from error

    return told


def _tools(roots: Roots) -> tuple[Callable[..., dict[str, Any]], ...]:
    """The questions over these roots."""

    def runs() -> dict[str, Any]:
        """Names of the runs that can be asked about."""
        from commscope.readers.runs.find import find_runs

        names = [roots.name_of(path) for path in find_runs(roots.folders)]
        return capped({"runs": sorted(names)}, 500)

    def analyze(run: str, window: str = "") -> dict[str, Any]:
        """Where one step's time went: breakdown by rank, collectives, who waited for whom, critical path.

        `window` is a name such as "step 3" or "capture"; empty: the headline's own, and all windows' names.
        """
        told = document("analyze", str(roots.path_of(run)))
        names = [one["name"] for one in told["windows"]]
        chosen = window or _typical(told)
        if chosen not in names:
            raise ToolError(f"there is no window {window!r}; there are: {', '.join(names[:40])}")
        answer = of_window(told, chosen)
        return {"window": chosen, "cannot_tell": cannot_tell(told), **capped(answer)}

    def compare(baseline: str, candidate: str) -> dict[str, Any]:
        """What differs between two runs, which numbers changed, and whether a change of time is proved."""
        return capped(document("compare", str(roots.path_of(baseline)), str(roots.path_of(candidate))), 80)

    def doctor(run: str) -> dict[str, Any]:
        """What is wrong or missing in a recording, what it costs the answer, how to record better."""
        return capped(document("doctor", str(roots.path_of(run))))

    def whatif(
        run: str,
        no_stragglers: bool = False,
        comm_free: bool = False,
        bandwidth: float = 1.0,
        latency: float = 1.0,
        scales: list[str] | None = None,
    ) -> dict[str, Any]:
        """The steps replayed otherwise; `scales` as ["all_gather=0.5", "compute@rank3=0.8"]."""
        options = [
            *(["--no-stragglers"] if no_stragglers else []),
            *(["--comm-free"] if comm_free else []),
            f"--bandwidth={bandwidth}x",
            f"--latency={latency}x",
            *(f"--scale={scale}" for scale in scales or ()),
        ]
        return capped(document("whatif", str(roots.path_of(run)), *options))

    def plan(
        workload: str = "gpt",
        tp: int = 1,
        sp: bool = False,
        dp: int = 1,
        layers: int = 2,
        hidden: int = 256,
        heads: int = 8,
        seq: int = 256,
        batch: int = 4,
        gpu: str = "h100",
        recompute: str = "none",
    ) -> dict[str, Any]:
        """What a layout costs by closed forms: memory, whether it fits, step time, bytes; without a run."""
        sizes = {
            "tp": tp,
            "dp": dp,
            "layers": layers,
            "hidden": hidden,
            "heads": heads,
            "seq": seq,
            "batch": batch,
        }
        options = [f"--{name}={value}" for name, value in sizes.items()]
        options += [f"--gpu={gpu}", f"--recompute={recompute}", *(["--sp"] if sp else [])]
        return capped(document("plan", workload, *options), 80)

    def instance(run: str, number: int) -> dict[str, Any]:
        """One matched collective on every rank: when it began and ended, wait, transfer, who was last."""
        from commscope.notebook import load

        table = load(roots.path_of(run), jobs=1).instances
        rows = table[table["instance"] == number]
        if rows.empty:
            known = table["instance"].dropna()
            last = "none was matched" if known.empty else f"they are numbered 0 to {int(known.max())}"
            raise ToolError(f"there is no matched instance {number}: {last}")
        return capped({"instance": number, "rows": [_plain(row) for row in rows.to_dict("records")]}, 1024)

    return runs, analyze, compare, doctor, whatif, plan, instance


def _typical(told: dict[str, Any]) -> str:
    """The step of median length, as the headline's; the capture where no step is marked."""
    steps = sorted(
        (max(row["span_ns"] for row in told["breakdown"] if row["window"] == name), name)
        for name in {row["window"] for row in told["breakdown"]} - {"capture"}
    )
    return steps[(len(steps) - 1) // 2][1] if steps else "capture"


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """NA becomes null, numbers of numpy plain ones."""
    from pandas import isna

    def plain(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return [plain(one) for one in value]
        if isna(value):
            return None
        return (
            value.item()
            if hasattr(value, "item")
            else value
            if isinstance(value, int | float | bool)
            else str(value)
        )

    return {str(key): plain(value) for key, value in row.items()}
