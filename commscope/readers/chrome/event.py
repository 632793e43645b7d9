"""One event of Chrome JSON: takes its text, gives `Event`.

The typed fast way, a loose way for odd types, repair for broken text.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec

from commscope.readers.files.values import as_int

Number = int | str | None


class Args(msgspec.Struct, gc=False):
    """The arguments every event may need; the rest is skipped in C. Absent is -1, the columns' NO_VALUE."""

    external_id: Number = msgspec.field(name="External id", default=-1)
    correlation: Number = -1
    sequence: Number = msgspec.field(name="Sequence number", default=-1)
    forward_thread: Number = msgspec.field(name="Fwd thread id", default=-1)
    device: Number = -1
    stream: Number = -1
    size: Number = msgspec.field(name="bytes", default=-1)
    old_external_id: Number = msgspec.field(name="external id", default=-1)
    rank: Number = -1  # only in files that fuse several ranks
    collective: str | None = msgspec.field(name="Collective name", default=None)


class Event(msgspec.Struct, gc=False):
    """The fields of an event that become columns."""

    ph: str = ""
    cat: str | None = None
    name: str = ""
    pid: int | str | None = None
    tid: int | str | None = None
    ts: float | None = None
    dur: float | None = None
    args: Args | None = None


class Loose(msgspec.Struct, gc=False):
    """The same fields whatever their types."""

    ph: Any = None
    cat: Any = None
    name: Any = None
    pid: Any = None
    tid: Any = None
    ts: Any = None
    dur: Any = None
    args: Any = None


class Stamp(msgspec.Struct, gc=False):
    """Times as written, for those a float64 cannot hold to the nanosecond."""

    ts: Decimal | None = None
    dur: Decimal | None = None


EVENTS = msgspec.json.Decoder(list[Event])
LOOSE_EVENTS = msgspec.json.Decoder(list[Loose])
STAMPS = msgspec.json.Decoder(list[Stamp])
RAW_EVENTS = msgspec.json.Decoder(list[msgspec.Raw])
ARG_KEYS = (
    "External id",
    "correlation",
    "Sequence number",
    "Fwd thread id",
    "device",
    "stream",
    "bytes",
    "external id",
    "rank",
)
_BAD_ESCAPE = re.compile(r'\\(?!["\\/bfnrtu])|\\u(?![0-9a-fA-F]{4})')


def decode_typed(text: bytes) -> list[Event]:
    """Events of comma-separated text. Raises msgspec.DecodeError where one is not as expected."""
    return EVENTS.decode(b"[" + text + b"]")


def decode_loose(text: bytes) -> tuple[bytes, list[Event]]:
    """The same for events of odd types: text written anew with the types expected, and its events."""
    return normal([_as_dict(event) for event in LOOSE_EVENTS.decode(b"[" + text + b"]")])


def repair(text: bytes) -> tuple[bytes, list[Event]]:
    """One event whose text no strict parser takes: NaN, raw control characters, bad escapes, invalid UTF-8.

    Raises ValueError where it is not an event even so.
    """
    spoken = text.decode("utf-8", errors="replace")
    try:
        value = json.loads(spoken, strict=False)
    except ValueError:
        value = json.loads(_BAD_ESCAPE.sub(r"\\\\", spoken), strict=False)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an event")
    return normal([value])


def normal(values: list[dict[str, Any]]) -> tuple[bytes, list[Event]]:
    """Events written anew with the types `Event` expects; what cannot be converted becomes null."""
    kept = [_normal(value) for value in values]
    text = msgspec.json.encode(kept)[1:-1]
    return text, decode_typed(text)


def _as_dict(event: Loose) -> dict[str, Any]:
    return {field: getattr(event, field) for field in Loose.__struct_fields__}


def _normal(value: dict[str, Any]) -> dict[str, Any]:
    args = value.get("args")
    kept = {str(key): _finite(item) for key, item in args.items()} if isinstance(args, dict) else {}
    for key in ARG_KEYS:
        if key in kept and not isinstance(kept[key], str):
            kept[key] = as_int(kept[key])
    if not isinstance(kept.get("Collective name"), str):
        kept.pop("Collective name", None)
    return {
        "ph": _text(value.get("ph")),
        "cat": _text(value.get("cat")),
        "name": _text(value.get("name")),
        "pid": _label(value.get("pid")),
        "tid": _label(value.get("tid")),
        "ts": _number(value.get("ts")),
        "dur": _number(value.get("dur")),
        "args": kept,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)[:1000]


def _label(value: Any) -> int | str | None:
    if isinstance(value, str):
        return value
    return as_int(value)


def _number(value: Any) -> Any:
    """A JSON number to the last digit: a number given as text goes back as that text, not through float64."""
    if isinstance(value, str):
        try:
            exact = Decimal(value.strip())
        except ArithmeticError:
            return None
        return (
            msgspec.Raw(format(exact, "f").encode())
            if exact.is_finite() and abs(exact.adjusted()) < 30
            else None
        )
    return _finite(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not -1e300 < value < 1e300:
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, dict | list):
        return _finite_inside(value, 0)
    return value


def _finite_inside(value: Any, depth: int) -> Any:
    if depth > 6:
        return None
    if isinstance(value, dict):
        return {str(key): _finite_inside(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite_inside(item, depth + 1) for item in value]
    return _finite(value)
