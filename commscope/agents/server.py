"""The server: read-only tools by name, each a question to the command line, over given roots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from commscope import __version__
from commscope.agents.questions import Questions
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
    for answer in Questions(roots).tools:
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
