"""What the doctor asks of a run as a whole: programs, ranks, losses, steps and phases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from commscope.readers.doctor.finding import (
    FINE,
    INFO,
    SERIOUS,
    WARN,
    Finding,
    all_of,
    named,
    ranks_in_words,
    some,
    steps_in_words,
)
from commscope.readers.doctor.health import RankHealth
from commscope.schema import Source
from commscope.trace import Run


def generation(run: Run, ranks: Sequence[RankHealth]) -> Finding:
    """Which programs wrote the traces."""
    source = run.info.source or Source.KINETO
    facts: dict[str, Any] = {
        "source": str(source),
        "versions": dict(sorted({pair for rank in ranks for pair in rank.versions.items()})),
        "generation": sorted({rank.generation for rank in ranks}),
        "backend": sorted({rank.backend for rank in ranks if rank.backend is not None}),
    }
    spoken = (
        ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        or "no versions recorded"
    )
    known = [name for name in facts["generation"] if name != "unknown"]
    torch = f"; records as torch {' and '.join(known)} writes them" if known else ""
    backend = " and ".join(facts["backend"]) or "not recorded"
    message = f"{source} traces, backend {backend}, {spoken}{torch}"
    mixed = len(known) > 1 or len(facts["backend"]) > 1
    return Finding(
        "generation",
        WARN if mixed else INFO,
        message,
        facts=facts,
        cost="ranks were recorded by different programs" if mixed else "",
    )


def present(run: Run) -> Finding:
    """Which ranks are there."""
    present = [part.rank for part in run.parts]
    size = run.info.world_size
    facts = {"present": present, "world_size": size}
    if size is None:
        return Finding(
            "ranks",
            INFO,
            f"{ranks_in_words(len(present))} present; how many there were is not recorded",
            facts=facts,
        )
    missing = sorted(set(range(size)) - set(present))
    facts["missing"] = missing
    if not missing:
        return Finding(
            "ranks",
            FINE,
            "the only rank is present" if size == 1 else f"all {size} ranks present",
            facts=facts,
        )
    return Finding(
        "ranks_missing",
        SERIOUS,
        f"{len(missing)} of {size} ranks missing: {some(missing)}",
        tuple(missing),
        cost="who waited for whom is known only among the ranks present",
        hint="put the traces of all ranks into one folder",
        facts=facts,
    )


def reading(ranks: Sequence[RankHealth]) -> Finding:
    """What was lost while reading."""
    counts: Counter[str] = Counter()
    for rank in ranks:
        counts.update(rank.read_counts)
    hurt = tuple(
        rank.rank for rank in ranks if rank.read_counts.get("bad") or rank.read_counts.get("truncated")
    )
    facts = {**counts, "kinds": dict(sum((Counter(rank.kinds) for rank in ranks), Counter()))}
    if not hurt:
        return Finding("reading", FINE, f"{counts['events']:,} events read, none lost", facts=facts)
    return Finding(
        "reading",
        SERIOUS if counts["truncated"] else WARN,
        f"{counts['events']:,} events read; {counts['bad']} lost, {counts['salvaged']} repaired, "
        f"{counts['truncated']} files cut short",
        hurt,
        cost="times and counts are too small by what was lost",
        hint="copy the files again, or record again",
        facts=facts,
    )


def steps(ranks: Sequence[RankHealth]) -> Finding:
    """Whether steps are marked, the same on all ranks."""
    found = {rank.rank: list(rank.steps) for rank in ranks}
    counts = {len(steps) for steps in found.values()}
    facts = {"steps": {str(rank): steps for rank, steps in found.items()}}
    if counts <= {0}:
        return Finding(
            "no_steps",
            WARN,
            "no steps are marked",
            all_of(ranks),
            cost="only the whole capture can be told",
            hint=_how_to_mark_steps(ranks),
            facts=facts,
        )
    if len({tuple(steps) for steps in found.values()}) > 1:
        return Finding(
            "steps_differ",
            WARN,
            "the ranks recorded different steps",
            all_of(ranks),
            cost="steps are compared only where all ranks have them",
            facts=facts,
        )
    return Finding("steps", FINE, f"{steps_in_words(counts.pop())} on every rank", facts=facts)


def _how_to_mark_steps(ranks: Sequence[RankHealth]) -> str:
    if all(rank.source == Source.NSYS for rank in ranks):
        return "push an NVTX range named ProfilerStep#N around each step"
    return "call profiler.step() once a step"


def phases(ranks: Sequence[RankHealth]) -> Finding:
    """Whether forward and backward can be told apart."""
    blind = tuple(rank.rank for rank in ranks if not rank.phases)
    half = tuple(rank.rank for rank in ranks if rank.phases == "forward")
    if blind:
        return Finding(
            "no_phases",
            WARN,
            f"phases cannot be told on {named(blind)}",
            blind,
            cost="communication is not split into forward and backward",
            hint=_how_to_tell_phases([rank for rank in ranks if rank.rank in blind]),
        )
    if half:
        return Finding(
            "no_backward",
            INFO,
            f"no backward on {named(half)}: the capture holds forward only",
            half,
            hint="to see a backward, profile whole training steps",
        )
    return Finding("phases", FINE, "forward, backward and optimizer can be told apart")


def _how_to_tell_phases(blind: Sequence[RankHealth]) -> str:
    if all(rank.source == Source.NSYS for rank in blind):
        return "nsys profile --trace cuda,nvtx, around a program under torch.autograd.profiler.emit_nvtx()"
    if all("op" not in rank.kinds for rank in blind):
        return "profile the CPU side too: ProfilerActivity.CPU"
    if all(rank.graphs for rank in blind):
        return "capture each phase as a CUDA graph of its own, or profile the step without graphs"
    return "name ranges after the phases: torch.profiler.record_function('forward')"
