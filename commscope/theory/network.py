"""How long a collective takes on a ring: payload, ranks and Link -> nanoseconds.

NCCL's own model (src/graph/tuning.cc): time = latency + wire bytes / bus bandwidth, where a ring of
n ranks takes 2(n-1) steps for an all-reduce and n-1 for a gather or scatter, latency = base + steps
x hop, and the protocol with the smallest time is taken. Bus bandwidth may exceed the link's line
rate with in-switch reduction (NVLS): that is no error. 1 GB = 1e9 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from commscope.schema import Collective, ring_wire_bytes
from commscope.theory.rows import VolumeRow
from commscope.units import NS_PER_US


@dataclass(frozen=True, slots=True)
class Protocol:
    """One of NCCL's ring protocols."""

    name: str
    base_us: float
    hop_us: dict[str, float]  # by kind of link
    share: float  # of the bus bandwidth
    cap_gbps: float = float("inf")


@dataclass(frozen=True, slots=True)
class Link:
    """What joins the ranks of a group."""

    name: str
    kind: str  # nvlink | pcie | net
    busbw_gbps: float
    source: str = ""


PROTOCOLS = (
    Protocol("LL", 6.6, {"nvlink": 0.6, "pcie": 1.0, "net": 2.7}, 0.5, cap_gbps=141.0),
    Protocol("LL128", 14.0, {"nvlink": 1.9, "pcie": 2.5, "net": 4.0}, 0.92),
    Protocol("Simple", 8.4, {"nvlink": 3.4, "pcie": 5.7, "net": 14.0}, 1.0),
)
LINKS = {
    link.name: link
    for link in (
        Link("h100-nvlink", "nvlink", 360.0, "NCCL's model of 8 x H100: 24 channels of 15 GB/s"),
        Link("a100-nvlink", "nvlink", 230.0, "about what nccl-tests shows on 8 x A100, not measured here"),
        Link("v100-nvlink", "nvlink", 120.0, "80 % of the nominal 150 GB/s, not measured here"),
        Link("pcie4-x16", "pcie", 25.0, "80 % of the nominal 31.5 GB/s, not measured here"),
        Link("ib-ndr", "net", 40.0, "80 % of the nominal 50 GB/s of one port, not measured here"),
        Link("ib-hdr", "net", 20.0, "80 % of the nominal 25 GB/s of one port, not measured here"),
    )
}


def ring_steps(collective: str, group_size: int) -> int:
    """Hops of a ring algorithm."""
    around = group_size - 1
    return 2 * around if collective == Collective.ALL_REDUCE else around


def collective_time_ns(collective: str, payload_bytes: int, group_size: int, link: Link) -> float:
    """Time of one collective by the fastest ring protocol; 0 on one rank."""
    if group_size <= 1:
        return 0.0
    wire_bytes = ring_wire_bytes(collective, payload_bytes, group_size)
    steps = ring_steps(collective, group_size)
    return min(_protocol_time_ns(protocol, wire_bytes, steps, link) for protocol in PROTOCOLS)


def volume_time_ns(rows: Iterable[VolumeRow], links: dict[str, Link]) -> float:
    """All collectives of a volume table one after the other, by the link of their group."""
    return sum(
        row.count * collective_time_ns(row.collective, row.payload_bytes, row.group_size, links[row.group])
        for row in rows
    )


def _protocol_time_ns(protocol: Protocol, wire_bytes: int, steps: int, link: Link) -> float:
    latency_us = protocol.base_us + steps * protocol.hop_us[link.kind]
    return latency_us * NS_PER_US + wire_bytes / min(protocol.share * link.busbw_gbps, protocol.cap_gbps)
