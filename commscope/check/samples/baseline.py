"""Baselines: traces/<run>/expected.json <-> Baseline, the snapshots of one or more recordings of a
configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from commscope.check.samples.snapshot import Snapshot
from commscope.compare.comparability import with_defaults
from commscope.errors import UnreadableTrace, UsageProblem
from commscope.readers.runs.manifest import MANIFEST
from commscope.whole import write_whole

EXPECTED = "expected.json"
EXPECTED_SCHEMA = "commscope.expected/1"
_REPETITION = re.compile(r"(?P<name>.+?)[-_.#](?:run|rep)?\d+\Z")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a configuration is expected to be like."""

    name: str
    runs: tuple[Snapshot, ...]
    where: str = ""
    trace: str | None = None  # a run to compare with; "" where its trace is gone, None where nobody looked
    stands_for_all: bool = True  # named by the user, not found by its name in a folder


@dataclass(frozen=True, slots=True)
class _File:
    schema: str
    runs: tuple[Snapshot, ...]


def load_baselines(folder: Path) -> dict[str, Baseline]:
    """Every expected.json in the folder or one level below, by the name of its run."""
    if not folder.is_dir():
        raise UsageProblem(
            "no baseline folder", where=str(folder), hint="make one: commscope check RUN --update-baseline"
        )
    if (folder / EXPECTED).is_file():
        return {folder.name: read_baseline(folder / EXPECTED)}
    files = [file for file in sorted(folder.glob(f"*/{EXPECTED}")) if file.is_file()]
    found = {file.parent.name: replace(read_baseline(file), stands_for_all=False) for file in files}
    if not found:
        hint = f"make one: commscope check RUN --baseline {folder} --update-baseline"
        raise UsageProblem(f"no {EXPECTED} in the baseline folder", where=str(folder), hint=hint)
    return found


def read_baseline(file: Path) -> Baseline:
    """One expected.json. Raises UnreadableTrace where it is not one."""
    hint = "write it anew with --update-baseline"
    try:
        content = msgspec.json.decode(file.read_bytes(), type=_File)
    except OSError as problem:
        raise UnreadableTrace("cannot read the baseline", where=f"{file}: {problem.strerror}") from None
    except msgspec.MsgspecError as problem:
        raise UnreadableTrace(
            "the baseline is not one of ours", where=f"{file}: {problem}", hint=hint
        ) from None
    if content.schema != EXPECTED_SCHEMA:
        what = f"the baseline has schema {content.schema!r}, this version reads {EXPECTED_SCHEMA!r}"
        raise UnreadableTrace(what, where=str(file), hint=hint)
    if not content.runs:
        raise UnreadableTrace("the baseline holds no run", where=str(file), hint=hint)
    return Baseline(file.parent.name, content.runs, str(file), _trace_of(file.parent, content.runs[0]))


def _trace_of(folder: Path, first: Snapshot) -> str:
    """The saved run beside the numbers, or the recording they were taken from, if one is still there."""
    if (folder / MANIFEST).is_file():
        return str(folder)
    recorded = folder / first.path
    return str(recorded) if first.path and recorded.exists() else ""


def write_baseline(runs: Sequence[Snapshot], folder: Path) -> Path:
    """expected.json of one configuration, whole or not at all; the folder is made where needed.

    Raises UsageProblem where it cannot be written.
    """
    told = tuple(replace(run, name=_utf8(run.name), path=_utf8(_relative(run.path, folder))) for run in runs)
    content = msgspec.json.encode(_File(EXPECTED_SCHEMA, told), enc_hook=_plain)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / EXPECTED, msgspec.json.format(content, indent=1) + b"\n")
    except OSError as error:
        raise UsageProblem(
            f"cannot write the baseline: {error.strerror}", where=str(folder), hint="what was there is left"
        ) from error
    return folder / EXPECTED


def _utf8(name: str) -> str:
    """A name as JSON can hold it: bytes of a path that are no UTF-8 stand as their escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _relative(path: str, folder: Path) -> str:
    """From the folder of the baseline, which may be copied elsewhere with it; "" if it lies apart."""
    here = Path.cwd()
    if all(place.resolve().is_relative_to(here) for place in (Path(path), folder)):
        return os.path.relpath(path, folder)
    return ""


def configuration_of(run: Snapshot, known: Mapping[str, Baseline]) -> str:
    """The configuration a run belongs to: its own name, or without the number of a repetition (tp2-3 -> tp2).

    A single baseline stands for every run if the user named it, else for every run of its layout.
    """
    name = run.name
    if name in known:
        return name
    repeated = _REPETITION.match(name)
    if repeated and repeated["name"] in known:
        return repeated["name"]
    if len(known) == 1:
        only, baseline = next(iter(known.items()))
        if baseline.stands_for_all or layout_of(run) == layout_of(baseline.runs[0]):
            return only
    return name


def group_runs(runs: Sequence[Snapshot], known: Mapping[str, Baseline]) -> dict[str, tuple[Snapshot, ...]]:
    """Runs by configuration, in the order given.

    Without a baseline of their own, tp2-1 and tp2-2 are repetitions of tp2 if nothing else tells them apart.
    Runs of one name but of two layouts are never taken together: the later one goes by its path.
    """
    groups: dict[str, list[Snapshot]] = {}
    for run in runs:
        name = configuration_of(run, known)
        alike = [other for other in runs if _stem(other.name) == _stem(name) and _alike(run, other)]
        is_repeated = name not in known and len({other.name for other in alike}) > 1
        name = _stem(name) if is_repeated else name
        if name in groups and not _alike(groups[name][0], run):
            name = run.path
        groups.setdefault(name, []).append(run)
    return {name: tuple(members) for name, members in groups.items()}


def _stem(name: str) -> str:
    repeated = _REPETITION.match(name)
    return repeated["name"] if repeated else name


def _alike(run: Snapshot, other: Snapshot) -> bool:
    return run.breaking == other.breaking and layout_of(run) == layout_of(other)


def layout_of(run: Snapshot) -> dict[str, Any]:
    """What a run says of its layout; nothing where it does not."""
    return {name: value for name, value in with_defaults(run.other).items() if name.startswith("layout.")}


def _plain(value: Any) -> Any:
    """NumPy scalars become what JSON knows."""
    if hasattr(value, "item"):
        return value.item()
    raise NotImplementedError(type(value))
