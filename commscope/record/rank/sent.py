"""Bytes this process really sent over TCP: the sockets of gloo, as Linux counts them (TCP_INFO).

gloo moves more than the ring model says, above all in reduce-scatter; this is what it cost in truth. NCCL
between GPUs of one node uses no sockets, so there is nothing to count.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path

_BYTES_SENT_AT = (
    200  # offset of tcpi_bytes_sent in struct tcp_info, include/uapi/linux/tcp.h, since Linux 4.19
)
_TCP_INFO_SIZE = 256


def sent_bytes() -> int | None:
    """Bytes sent so far by every TCP connection but the store's; None where Linux does not tell."""
    counts = [count for count in map(_sent_by, _sockets()) if count is not None]
    return sum(counts) if counts else None


def _sockets() -> list[int]:
    found = []
    for entry in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith("socket:"):
                found.append(int(entry.name))
    return found


def _sent_by(descriptor: int) -> int | None:
    """Bytes one connection sent; None for what is no connection between ranks."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            if connection.type != socket.SOCK_STREAM or _is_store(connection):
                return None
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    except (OSError, AttributeError):
        return None
    if len(info) < _BYTES_SENT_AT + 8:
        return None
    (sent,) = struct.unpack_from("=Q", info, _BYTES_SENT_AT)
    return int(sent)


def _is_store(connection: socket.socket) -> bool:
    port = os.environ.get("MASTER_PORT", "")
    ends = (connection.getsockname(), connection.getpeername())
    return any(isinstance(end, tuple) and str(end[1]) == port for end in ends)
