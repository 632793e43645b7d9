"""Analyses as bytes, and back: plain data, which cannot run anything when it is read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Generic, TypeVar, get_origin

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

T = TypeVar("T")


class Packing(Generic[T]):
    """Values of one type as bytes, and back."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind, dec_hook=_typed)

    def packed(self, value: T) -> bytes:
        """A digest, and what it is of. Raises TypeError or ValueError for what has no plain form."""
        content = plain_bytes(value)
        return hashlib.sha256(content).digest() + content

    def unpacked(self, data: bytes) -> T | None:
        """What `packed` was given; None where these are not the bytes it gave."""
        size = hashlib.sha256().digest_size
        content = memoryview(data)[size:]
        if hashlib.sha256(content).digest() != data[:size]:
            return None
        try:
            return self._decoder.decode(content)
        except (msgspec.MsgspecError, ValueError, TypeError, pa.ArrowException):
            return None


def plain_bytes(value: Any) -> bytes:
    """A value as bytes. Raises TypeError or ValueError where it has no plain form."""
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.DataFrame):
        table = pa.Table.from_pandas(value)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return sink.getvalue().to_pybytes()
    raise NotImplementedError(type(value).__name__)


def _typed(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    if (get_origin(kind) or kind) is np.ndarray:
        dtype, data = value
        return np.frombuffer(data, dtype=np.dtype(dtype)).copy()
    if kind is pd.DataFrame:
        return _with_tuples(pa.ipc.open_stream(value).read_all().to_pandas())
    raise NotImplementedError(str(kind))


def _with_tuples(table: pd.DataFrame) -> pd.DataFrame:
    """Members of groups are tuples, which Arrow gives back as arrays."""
    for name in [name for name in table if pd.api.types.is_object_dtype(table[name])]:
        cells = [tuple(cell.tolist()) if isinstance(cell, np.ndarray) else cell for cell in table[name]]
        table[name] = pd.Series(cells, index=table.index, dtype=object)
    return table
