"""An analysis and its findings as bytes, and back: plain data, which cannot run anything when it is read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, get_origin

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from commscope.analysis.result import Analysis
from commscope.readers.doctor import Finding

Read = tuple[Analysis, tuple[Finding, ...]]


def packed(read: Read) -> bytes:
    """A digest, and what it is of. Raises TypeError or ValueError for what has no plain form."""
    content = msgspec.msgpack.encode(read, enc_hook=_plain)
    return hashlib.sha256(content).digest() + content


def unpacked(data: bytes) -> Read | None:
    """What `packed` was given; None where these are not the bytes it gave."""
    size = hashlib.sha256().digest_size
    digest, content = data[:size], data[size:]
    if hashlib.sha256(content).digest() != digest:
        return None
    try:
        return _DECODER.decode(content)
    except (msgspec.MsgspecError, ValueError, TypeError, pa.ArrowException):
        return None


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


_DECODER: msgspec.msgpack.Decoder[Read] = msgspec.msgpack.Decoder(Read, dec_hook=_typed)
