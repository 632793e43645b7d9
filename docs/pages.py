"""Pages made as the site is built: README as the first, and one for each command with what it prints.

A hook of mkdocs. Examples are run on the saved runs in traces/: no page can show what is no longer true.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
_COMMANDS = {"Commands": "commands/index.md"}  # in mkdocs.yml; its pages are known here only
EXAMPLES = {
    "analyze": ("Where did the step go?", "analyze traces/gpt-tp2-sp"),
    "compare": ("Is TP+SP better than TP here?", "compare traces/gpt-tp2 traces/gpt-tp2-sp"),
    "check": ("Did something change that should not?", "check --baseline traces"),
    "whatif": ("What would the step be without stragglers?", "whatif traces/gpt-tp2-sp --no-stragglers"),
    "doctor": ("What is missing in this trace?", "doctor traces/gpt-tp2"),
    "plan": (
        "What will a layout cost?",
        "plan gpt --tp 8 --sp --layers 48 --hidden 6144 --heads 64 --seq 2048 --vocab 51200 --dtype bfloat16",
    ),
    "time": ("How long is one collective?", "time all_reduce 402MB --ranks 4 --gpu a100"),
    "sweep": ("How does it scale?", "sweep traces/gpt-tp2 traces/gpt-tp2-sp"),
}


def on_files(files: Files, config: Any) -> Files:
    """Adds what is made; called by mkdocs once a build."""
    from commscope.cli.main import COMMANDS, SUMMARIES

    made = {"index.md": _front(), "commands/index.md": _commands(SUMMARIES)}
    made |= {f"commands/{name}.md": _command(name, SUMMARIES[name]) for name in COMMANDS}
    config["nav"] = [{"Commands": list(made)[1:]} if one == _COMMANDS else one for one in config["nav"]]
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def _front() -> str:
    """README with its links as the site has them; what leads to files beside docs/ stays text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    return re.sub(r"\[([^\]]+)\]\((?:CONTRIBUTING|CHANGELOG|SKILL|LICENSE)[^)]*\)", r"`\1`", text)


def _commands(summaries: dict[str, str]) -> str:
    rows = "\n".join(f"| [{name}]({name}.md) | {what} |" for name, what in summaries.items())
    return f"# Commands\n\n| command | question |\n|---|---|\n{rows}\n"


def _command(name: str, summary: str) -> str:
    parts = [f"# commscope {name}", summary]
    if name in EXAMPLES:
        question, line = EXAMPLES[name]
        parts += [
            f"## {question}",
            _block("console", f"$ commscope {line}"),
            _block("text", _said(*line.split())),
        ]
    parts += ["## Options", _block("text", _said(name, "--help"))]
    return "\n\n".join(parts) + "\n"


def _block(kind: str, text: str) -> str:
    return f"```{kind}\n{text.rstrip()}\n```"


def _said(*arguments: str) -> str:
    """What the command prints; a page about one that fails is none."""
    command = [sys.executable, "-m", "commscope", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PluginError(f"commscope {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout
