"""run.json beside the traces: takes a folder, gives RunInfo; what it does not say stays absent."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import msgspec

from commscope.readers.files.blocks import unreadable
from commscope.readers.files.claims import believed, world_gaps
from commscope.readers.files.values import NOT_JSON
from commscope.schema import DTYPE_BYTES, RUN_SCHEMA
from commscope.trace import Gap, Layout, ModelShape, RunInfo

MANIFEST = "run.json"
SEAL = "digest"  # key of run.json in slim runs: of all other keys
LIMIT_BYTES = 256 << 20


def read_manifest(folder: Path) -> tuple[RunInfo, tuple[Gap, ...]]:
    """Facts of a run; without run.json only its name and path, and `complete` None."""
    bare = RunInfo(name=folder.resolve().name or str(folder), path=folder)
    path = folder / MANIFEST
    try:
        if not path.is_file():
            return bare, ()
        if path.stat().st_size > LIMIT_BYTES:
            return bare, (_bad(path, "it is too large"),)
        said = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error) from error
    except NOT_JSON:
        return bare, (_bad(path, "it is not JSON"),)
    if not isinstance(said, dict) or said.get("schema") != RUN_SCHEMA:
        return bare, (_bad(path, f"its schema is not {RUN_SCHEMA}"),)
    sealed = said.pop(SEAL, None)
    info, gaps = _converted(bare, said)
    return info, gaps if sealed in (None, _digest(said)) else (*gaps, _changed(path))


def sealed_manifest(info: RunInfo) -> bytes:
    """run.json of a slim run; the digest in it tells when it is changed later."""
    told: dict[str, Any] = msgspec.to_builtins(info, enc_hook=str)
    told.pop("path", None)
    content = msgspec.json.decode(msgspec.json.encode({"schema": RUN_SCHEMA, **told}))
    return msgspec.json.format(msgspec.json.encode({**content, SEAL: _digest(content)}), indent=1) + b"\n"


def _digest(content: dict[str, Any]) -> str:
    return hashlib.blake2b(msgspec.json.encode(content, order="sorted"), digest_size=20).hexdigest()


def _changed(path: Path) -> Gap:
    return Gap(
        "changed_manifest",
        f"{path.name} is not what was written when the run was made slim: damaged, or changed by hand",
        cost="layout, model, step times and memory may be wrong",
        hint=f"make the run slim again, or take out the line {SEAL!r} if the change is meant",
    )


def _converted(bare: RunInfo, said: dict[str, Any]) -> tuple[RunInfo, tuple[Gap, ...]]:
    """Field by field: one that is not understood is left out and named, the others are kept."""
    found: dict[str, Any] = {}
    refused = []
    types = _field_types()
    for name, kind in types.items():
        if said.get(name) is None:
            continue
        try:
            value = msgspec.convert(said[name], kind, strict=False)
        except NOT_JSON:
            refused.append(name)
            continue
        if _makes_sense(value):
            found[name] = value
        else:
            refused.append(name)
    gaps = [*_told_gaps(said), *world_gaps(found.get("world_size"))]
    found["world_size"] = believed(found.get("world_size"))
    if refused:
        gaps.append(Gap("bad_manifest", f"run.json: not understood and left out: {', '.join(refused)}"))
    info = dataclasses.replace(bare, **found)
    if info.complete is False:
        gaps.append(
            Gap(
                "incomplete_run",
                "the recording did not finish",
                cost="ranks or steps may be missing",
                hint="record again; see the messages of the rank that failed",
            )
        )
    return info, tuple(gaps)


def _makes_sense(value: Any) -> bool:
    """A layout and a model are counts of at least one, and a dtype whose size is known."""
    if not isinstance(value, (Layout, ModelShape)):
        return True
    told = dataclasses.asdict(value)
    counts = [part for part in told.values() if isinstance(part, int) and not isinstance(part, bool)]
    return min(counts) >= 1 and told.get("dtype", "float32") in DTYPE_BYTES


def _told_gaps(said: dict[str, Any]) -> list[Gap]:
    """What the recording itself says it could not tell."""
    try:
        return msgspec.convert(said.get("gaps") or [], list[Gap])
    except NOT_JSON:
        return []


def _field_types() -> dict[str, Any]:
    import typing

    types = typing.get_type_hints(RunInfo)
    return {name: kind for name, kind in types.items() if name != "path"}


def _bad(path: Path, why: str) -> Gap:
    return Gap("bad_manifest", f"{path.name} is not used: {why}", cost="layout, model and steps are unknown")
