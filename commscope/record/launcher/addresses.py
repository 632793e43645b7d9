"""Where the nodes of a run find each other: the rendezvous in, this node's own address and interface out.

Names of hosts often resolve on no other node, or to a loopback address on their own; numbers always do.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from ipaddress import ip_address

from commscope.errors import BackendProblem, UsageProblem

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_HINT = "give the first node's address as a number, as `hostname -I` prints it there"


def split(endpoint: str) -> tuple[str, int]:
    """HOST:PORT, the host perhaps in brackets. Raises UsageProblem for anything else."""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise UsageProblem(f"--rdzv-endpoint {endpoint} is no HOST:PORT")
    return host.strip("[]"), int(port)


def own_address(endpoint: str) -> str:
    """This node's address on the way to the rendezvous. Raises BackendProblem where there is no way."""
    host, port = split(endpoint)
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except socket.gaierror as error:
        raise BackendProblem(
            f"the name {host} does not resolve on this node", where=f"--rdzv-endpoint {endpoint}", hint=_HINT
        ) from error
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(place)  # of a datagram socket: only looks up the way
            return str(probe.getsockname()[0])
    except OSError as error:
        raise BackendProblem(
            f"there is no way to the first node: {error.strerror}",
            where=f"--rdzv-endpoint {endpoint}",
            hint=_HINT,
        ) from error


def interface_to_name(address: str) -> str:
    """The interface that gloo is to be told: nothing where this host's own name leads to an address of it."""
    with contextlib.suppress(OSError):
        named = socket.getaddrinfo(socket.gethostname(), None)[0][4][0]
        if not ip_address(named).is_loopback:
            return ""
    return "" if ip_address(address).is_loopback else interface_of(address)


def interface_of(address: str) -> str:
    """The interface that has an address of version 4; nothing where none has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()))
                if socket.inet_ntoa(answer[20:24]) == address:
                    return name
    return ""
