"""Plain containers, numbers and strings of a pickle, read without running anything it names.

Takes bytes, gives dicts, lists, tuples, numbers, text and None. `pickletools` splits the opcodes; those that
import, call or build objects are refused, so that a dump from anywhere may be looked at.
"""

from __future__ import annotations

import pickletools
from typing import Any

_VALUES = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
))  # fmt: skip
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = frozenset(("PROTO", "FRAME"))
_MARK = object()


class NotPlain(ValueError):
    """The pickle is damaged, or holds more than plain values."""


def plain_values(text: bytes) -> Any:
    """What a pickle holds. Raises NotPlain."""
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(text):
            if opcode.name == "STOP":
                (result,) = machine.stack
                return result
            machine.step(opcode.name, argument)
    except NotPlain:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError, MemoryError) as error:
        raise NotPlain(f"it is damaged: {type(error).__name__}") from error
    raise NotPlain("it breaks off")


class _Machine:
    """The stack of a pickle, and what it remembers."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """One opcode."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.stack.append(tuple(self._last(_TUPLES[name])))
        elif name in {"EMPTY_LIST", "EMPTY_DICT"}:
            self.stack.append([] if name == "EMPTY_LIST" else {})
        elif name in {"TUPLE", "LIST", "DICT"}:
            items = self._marked()
            self.stack.append(
                tuple(items) if name == "TUPLE" else items if name == "LIST" else _paired({}, items)
            )
        elif name in {"APPEND", "APPENDS", "SETITEM", "SETITEMS"}:
            self._add(name)
        elif name not in _NOTHING:
            self._remember(name, argument)

    def _add(self, name: str) -> None:
        """Into the container below."""
        if name in {"APPEND", "APPENDS"}:
            items = self._last(1) if name == "APPEND" else self._marked()
            _as_list(self.stack[-1]).extend(items)
        else:
            items = self._last(2) if name == "SETITEM" else self._marked()
            _paired(_as_dict(self.stack[-1]), items)

    def _remember(self, name: str, argument: Any) -> None:
        if name == "MARK":
            self.stack.append(_MARK)
        elif name in {"PUT", "BINPUT", "LONG_BINPUT"}:
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in {"GET", "BINGET", "LONG_BINGET"}:
            self.stack.append(self.memo[argument])
        else:
            raise NotPlain(f"it asks for {name}, which no dump of plain values needs")

    def _last(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise NotPlain("it is damaged: values are missing")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def _marked(self) -> list[Any]:
        at = next((n for n in range(len(self.stack) - 1, -1, -1) if self.stack[n] is _MARK), None)
        if at is None:
            raise NotPlain("it is damaged: a mark is missing")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items


def _paired(into: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    into.update(zip(items[::2], items[1::2], strict=True))
    return into


def _as_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NotPlain("it is damaged: no list to append to")
    return value


def _as_dict(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise NotPlain("it is damaged: no dict to add to")
    return value
