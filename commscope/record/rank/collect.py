"""What a rank knows about itself once it ran: session and process groups -> RankFacts."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist

from commscope import __version__
from commscope.record.handover.facts import RankFacts, describe_host
from commscope.record.handover.links import Link, read_links
from commscope.record.rank.session import Rank, Session
from commscope.trace import Gap, ProcessGroup

_TRIES = 8  # a busy machine may hold a process up for milliseconds between two calls


def collect_facts(session: Session, *, complete: bool) -> RankFacts:
    """Facts of this rank; call before the process groups are destroyed."""
    facts = process_facts(session.rank, session.request.workload, complete=complete)
    return replace(
        facts,
        step_times=tuple(session.step_times),
        memory=tuple(session.memory),
        ledger=session.marks.ledger.rows(session.rank.rank),
        losses=tuple(session.losses),
        sent_bytes=session.sent_per_step if facts.backend == "gloo" else None,
        cpu=session.cpu.use,
        saved=session.saved_bytes,
    )


def process_facts(rank: Rank, workload: str, *, complete: bool) -> RankFacts:
    """What the process of a rank knows without any step."""
    backend = str(dist.get_backend()) if dist.is_initialized() else None
    host = describe_host()
    links = device_links(rank.device, host["name"])
    return RankFacts(
        rank=rank.rank,
        world_size=rank.world_size,
        backend=backend,
        complete=complete,
        host=host,
        device=device_name(rank.device),
        versions=versions(backend),
        groups=process_groups(),
        clock=read_clocks(),
        workload=workload,
        links=links if isinstance(links, tuple) else (),
        gaps=() if isinstance(links, tuple) else (_no_links(links, rank.rank),),
    )


def read_clocks() -> dict[str, int]:
    """Realtime and monotonic at one moment: of several tries the quickest, which nothing came between."""
    tries = []
    for _ in range(_TRIES):
        before_ns, realtime_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        tries.append((after_ns - before_ns, realtime_ns, (before_ns + after_ns) // 2))
    _, realtime_ns, monotonic_ns = min(tries)
    return {"realtime_ns": realtime_ns, "monotonic_ns": monotonic_ns}


def device_links(device: str, host: str) -> tuple[Link, ...] | str:
    """Links between the GPUs of this machine, told by its first rank; or why they are not known."""
    if device == "cpu":
        return "the run used no GPU"
    return read_links(host) if os.environ.get("LOCAL_RANK", "0") == "0" else ()


def _no_links(why: str, rank: int) -> Gap:
    return Gap("no_links", f"the links between devices are not known: {why}", (rank,), serious=False)


def process_groups() -> tuple[ProcessGroup, ...]:
    """Groups this rank belongs to, as torch keeps them; none where this torch keeps them elsewhere."""
    world: Any = getattr(dist.distributed_c10d, "_world", None)
    if world is None or not dist.is_initialized():
        return ()
    return tuple(
        ProcessGroup(
            name=str(world.pg_names.get(group, "")),
            description=str(getattr(group, "group_desc", "")),
            ranks=tuple(sorted(members)),
            backend=str(dist.get_backend(group)),
        )
        for group, members in world.pg_group_ranks.items()
        if dist.get_rank() in members
    )


def versions(backend: str | None) -> dict[str, str]:
    """Versions a reader of the trace may need."""
    found = {"commscope": __version__, "torch": str(torch.__version__), "python": sys.version.split()[0]}
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    if backend == "nccl":
        nccl = torch.cuda.nccl.version()  # type: ignore[no-untyped-call]
        found["nccl"] = ".".join(str(part) for part in nccl)
    return found


def device_name(device: str) -> str:
    """The accelerator's product name, or cpu."""
    return "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
