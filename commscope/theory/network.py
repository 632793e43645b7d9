"""How long a collective takes: payload, group and Gpu -> nanoseconds, by algorithm and topology.

NCCL's own model (src/graph/tuning.cc): time = latency + wire bytes / bandwidth, latency = base + steps x hop,
and the fastest allowed algorithm and protocol is taken. A ring takes 2(n-1) steps for an all_reduce and n-1
for a gather or scatter; a tree of one node 2(n-1). In-switch reduction (NVLS) carries S(1 + 1/n) bytes over
each GPU's links, whence the bus bandwidths of 370, 440 and 480 GB/s that nccl-tests shows on 4, 6 and 8 H100
(nccl-tests #212): its bus bandwidth may exceed a ring's line rate. It is used for all_reduce only: for
gathers and scatters NCCL wants registered buffers.
Between nodes a ring is as fast as all NICs of a node together,
and slower for small shares (fitted to nccl-tests of 2 to 32 nodes of H100 by meta-pytorch/autoparallel).
1 GB = 1e9 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from commscope.errors import UsageProblem
from commscope.schema import Collective, ring_wire_bytes
from commscope.theory.gpus import Gpu
from commscope.units import NS_PER_US

ALGORITHMS = ("ring", "tree", "nvls")
_NIC_SHARE = 0.96  # of the nominal rate: 48 of 50 GB/s (nccl-tests #290)
_NVLS_HOP_US, _NVLS_TREE_US = 3.4, 53.0
_NVLS_TREE_SHARE = 0.4  # of the NICs, over more than two nodes: each is parent and child
_TREE_SHARE = 0.92
_PLATEAU = 1.4  # a ring all_reduce over nodes
_RAMP = ((8e6, 0.68), (16e6, 0.79), (32e6, 0.87))  # share of the NICs from so many bytes a rank
_LL_GBPS = {"node": 141.0, "two": 39.0, "many": 20.4}


@dataclass(frozen=True, slots=True)
class Protocol:
    """One of NCCL's protocols: base latency and hops in microseconds."""

    name: str
    ring_base_us: float
    tree_base_us: float
    ring_hop_us: tuple[float, float]  # within a node, between nodes
    tree_hop_us: tuple[float, float]
    share: float  # of the bus bandwidth


PROTOCOLS = (
    Protocol("LL", 6.6, 6.8, (0.6, 2.7), (0.6, 5.0), 0.5),
    Protocol("LL128", 14.0, 14.0, (1.9, 4.0), (1.25, 8.5), 0.92),
    Protocol("Simple", 8.4, 8.4, (3.4, 14.0), (4.0, 14.0), 1.0),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Ranks of a collective and how they lie on nodes."""

    size: int
    per_node: int  # of them on one node
    sharing: int = 1  # groups that share a node's NICs

    @property
    def nodes(self) -> int:
        """Nodes the group spans."""
        return -(-self.size // self.per_node)


@dataclass(frozen=True, slots=True)
class CollectiveTime:
    """One collective's time in its terms."""

    algorithm: str  # ring | tree | nvls | nvls tree | given
    protocol: str
    latency_ns: float
    transfer_ns: float

    @property
    def time_ns(self) -> float:
        """Latency and transfer."""
        return self.latency_ns + self.transfer_ns


NOTHING = CollectiveTime("none", "", 0.0, 0.0)


def neighbours(size: int, gpu: Gpu, stride: int = 1) -> Group:
    """A group of every `stride`-th rank, nodes filled one after the other."""
    per_node = max(1, min(size, gpu.gpus_per_node // stride))
    return Group(size, per_node, min(stride, gpu.gpus_per_node))


def collective_time(
    collective: str, payload_bytes: int, group: Group, gpu: Gpu, algorithm: str | None = None
) -> CollectiveTime:
    """The fastest way, or the fastest of one algorithm. Raises UsageProblem where that cannot run."""
    if group.size <= 1:
        return NOTHING
    wire_bytes = ring_wire_bytes(collective, payload_bytes, group.size)
    given = dict(gpu.busbw_gbps).get(collective)
    if given is not None and algorithm is None:
        base = PROTOCOLS[0].ring_base_us * NS_PER_US
        return CollectiveTime("given", "", base, wire_bytes / given)
    ways = [
        *_rings(collective, wire_bytes, group, gpu),
        *_trees(collective, payload_bytes, group, gpu),
        *_nvls(collective, payload_bytes, group, gpu),
    ]
    kept = [way for way in ways if algorithm is None or way.algorithm.startswith(algorithm)]
    if not kept:
        raise UsageProblem(
            f"no {algorithm} of {collective} over {group.size} ranks of {gpu.name}",
            hint="tree and nvls are of all_reduce, nvls of NVSwitch nodes since h100 and at least 3 ranks",
        )
    return min(kept, key=lambda way: way.time_ns)


def line_rate_ns(collective: str, payload_bytes: int, group: Group, gpu: Gpu) -> float:
    """A ring's wire bytes at the nominal rate of the links: no collective of a ring can be faster."""
    rate = gpu.link_gbps if group.nodes == 1 else min(gpu.link_gbps, _nic_gbps(group, gpu))
    return ring_wire_bytes(collective, payload_bytes, group.size) / rate


def _rings(collective: str, wire_bytes: int, group: Group, gpu: Gpu) -> Iterator[CollectiveTime]:
    around = 2 if collective == Collective.ALL_REDUCE else 1
    steps, between = around * (group.size - 1), around * (group.nodes - 1)
    bus = gpu.ring_gbps
    if group.nodes > 1:
        share = _ramp(wire_bytes / (around * (group.size - 1)))
        bus = min(bus, _nic_gbps(group, gpu) * _NIC_SHARE * share)
    for protocol in PROTOCOLS:
        near, far = protocol.ring_hop_us
        hops = (steps - between) * near + between * far
        if group.nodes > 1 and collective == Collective.ALL_REDUCE and protocol.name == "Simple":
            hops *= _PLATEAU
        rate = min(protocol.share * bus, _cap(protocol, group))
        yield _told("ring", protocol.name, protocol.ring_base_us + hops, wire_bytes / rate)


def _trees(collective: str, payload_bytes: int, group: Group, gpu: Gpu) -> Iterator[CollectiveTime]:
    if collective != Collective.ALL_REDUCE:
        return
    bus = gpu.ring_gbps
    if group.nodes > 1:
        bus = min(bus, _nic_gbps(group, gpu) * _NIC_SHARE)
    for protocol in PROTOCOLS:
        near, far = protocol.tree_hop_us
        hops = 2 * ((group.per_node - 1) * near + math.ceil(math.log2(group.nodes)) * far)
        rate = min(_TREE_SHARE * protocol.share * bus, _cap(protocol, group)) / 2
        yield _told("tree", protocol.name, protocol.tree_base_us + hops, payload_bytes / rate)


def _nvls(collective: str, payload_bytes: int, group: Group, gpu: Gpu) -> Iterator[CollectiveTime]:
    here = group.per_node
    if collective != Collective.ALL_REDUCE or gpu.nvls_gbps is None or here < 3:
        return
    rate = gpu.nvls_gbps * here / (here + 1)
    if group.nodes == 1:
        latency_us = PROTOCOLS[-1].ring_base_us + 2 * _NVLS_HOP_US
        yield _told("nvls", "Simple", latency_us, payload_bytes / rate)
        return
    share = _NIC_SHARE if group.nodes == 2 else _NVLS_TREE_SHARE
    rate = min(rate, _nic_gbps(group, gpu) * share)
    latency_us = _NVLS_TREE_US + 2 * PROTOCOLS[-1].tree_hop_us[1] * (math.ceil(math.log2(group.nodes)) - 1)
    yield _told("nvls tree", "Simple", latency_us, payload_bytes / rate)


def _nic_gbps(group: Group, gpu: Gpu) -> float:
    return gpu.nics_per_node * gpu.nic_gbps / group.sharing


def _ramp(bytes_per_step: float) -> float:
    return next((share for most, share in _RAMP if bytes_per_step <= most), _RAMP[-1][1])


def _cap(protocol: Protocol, group: Group) -> float:
    if protocol.name != "LL":
        return math.inf
    return _LL_GBPS["node" if group.nodes == 1 else "two" if group.nodes == 2 else "many"]


def _told(algorithm: str, protocol: str, latency_us: float, transfer_ns: float) -> CollectiveTime:
    return CollectiveTime(algorithm, protocol, latency_us * NS_PER_US, transfer_ns)
