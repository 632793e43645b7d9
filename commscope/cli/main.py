"""The group of commands, and the one place where an exception becomes an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

import click

from commscope import __version__
from commscope.errors import EXIT_INTERRUPTED, EXIT_PROBLEM, CommScopeError, UsageProblem
from commscope.printable import printable, printable_lines

# name -> module under commscope.cli, each with a click command `command`; in the order of use.
COMMANDS = {
    "demo": "demo",
    "record": "record",
    "analyze": "analyze",
    "compare": "compare",
    "check": "check",
    "plan": "predict.plan",
    "time": "predict.time",
    "whatif": "whatif",
    "export": "export",
    "sweep": "sweep",
    "doctor": "doctor",
    "slim": "slim",
    "dashboard": "serving.dashboard",
    "cache": "cache",
    "mcp": "serving.mcp",
    "watch": "serving.watch",
}
ALIASES = {"report": "analyze"}
SUMMARIES = {
    "demo": "Record TP and TP+SP on this machine, compare them, write the report.",
    "record": "Run N ranks under the profiler: a built-in workload, or -- any script.",
    "analyze": "Where did the step go, what moved, who waited (alias: report).",
    "compare": "Is the candidate better than the baseline, and why.",
    "check": "The gate for CI: fail when a budget is broken.",
    "plan": "What a layout will cost: does it fit, how long is a step, what limits it.",
    "time": "How long one collective takes, by algorithm and topology.",
    "whatif": "The same step without stragglers, with other bandwidth, with free communication.",
    "export": "Write a run as one timeline for Perfetto.",
    "sweep": "Weak and strong scaling tables from a list of layouts.",
    "doctor": "What is wrong or missing in a trace, and what it costs the answer.",
    "slim": "Save a run as small columns that fit into a repository.",
    "dashboard": "Compare runs in the browser.",
    "cache": "What is kept of runs read before: show, clear.",
    "mcp": "Answer an agent's questions about runs (Model Context Protocol).",
    "watch": "Analyze runs as they appear, for Prometheus.",
}


class Terminated(SystemExit):
    """A scheduler's SIGTERM or a closed terminal's SIGHUP; its code is 128 + the signal's number."""


class LazyGroup(click.Group):
    """Imports a command's module only when that command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order of use, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; aliases resolve to what they stand for."""
        module = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if module is None:
            return None
        command = importlib.import_module(f"commscope.cli.{module}").command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A word that is none: the nearest command is named."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = get_close_matches(name, [*COMMANDS, *ALIASES], 1)
            hint = f"did you mean: commscope {near[0]}" if near else "commscope --help"
            raise UsageProblem(f"there is no command {name!r}", where="commscope", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a command, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from commscope.core import told

        click.echo(f"commscope {__version__}, {told()}")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show version and reader.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def commscope(ctx: click.Context, debug: bool) -> None:
    """Where did the step go, what moved between the ranks, who made whom wait, and is TP+SP better here.

    Exit codes: 0 fine; 1 a budget was broken (check only); 2 usage, unreadable, not comparable, or a fault of
    ours; 130 interrupted, 129 and 143 ended by SIGHUP and SIGTERM. `record` passes a failed child's code on.
    """
    ctx.obj = {"debug": debug}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP, and that stays
            signal.signal(number, _terminate)
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str]) -> int:
    """Exit code of a command line; every message goes to stderr."""
    debug = "--debug" in arguments or bool(os.environ.get("COMMSCOPE_DEBUG"))
    try:
        result = commscope.main(args=list(arguments), prog_name="commscope", standalone_mode=False)
    except CommScopeError as error:
        return _told(str(error), error.exit_code, debug=debug)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return EXIT_PROBLEM
    except click.ClickException as error:
        return _told(_usage_lines(error), EXIT_PROBLEM, debug=debug)
    except (click.Abort, KeyboardInterrupt):
        _forget_interrupt()
        return _told("interrupted", EXIT_INTERRUPTED, debug=False)
    except Terminated as ended:
        return _told("terminated", int(str(ended.code)), debug=False)
    except Exception as error:  # noqa: BLE001 - a crash must not look like a broken budget (exit 1)
        what = f"error: a fault of ours: {type(error).__name__}: {printable(str(error))}"
        return _told(
            f"{what}\nhint: run again with --debug and report the traceback", EXIT_PROBLEM, debug=debug
        )
    return result if isinstance(result, int) else 0


def _terminate(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not stop the clearing up
    raise Terminated(128 + number)


def _forget_interrupt() -> None:
    """Keep CPython from ending this process by SIGINT although the interrupt was caught.

    An interrupt inside code run from a string (imports of torch do that) leaves a flag that the interpreter
    reads as it exits; running another string clears it (run_eval_code_obj in Python/pythonrun.c).
    """
    exec("")


def _told(message: str, exit_code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(printable_lines(message), err=True)
    return exit_code


def _usage_lines(error: click.ClickException) -> str:
    """Click's complaint in our three lines."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "commscope"
    return f"error: {printable(error.format_message().rstrip('.'))}\nwhere: {path}\nhint: {path} --help"
