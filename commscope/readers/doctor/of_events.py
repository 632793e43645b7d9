"""What the doctor asks of the events: launches, metadata of collectives, equal counts, clocks and order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from commscope.readers.doctor.finding import FINE, INFO, SERIOUS, WARN, Finding, all_of
from commscope.readers.doctor.health import RankHealth, Share
from commscope.schema import Source
from commscope.units import format_time

ENOUGH = 0.95


def _of_all(shares: Iterable[Share]) -> Share:
    kept = list(shares)
    return Share(sum(share.part for share in kept), sum(share.whole for share in kept))


def launched(ranks: Sequence[RankHealth]) -> Finding:
    """Kernels with a launch record."""
    share = _of_all(rank.launched for rank in ranks)
    facts = {"kernels": share.whole, "launched": share.part, "share": share.ratio}
    if share.ratio is None:
        return Finding(
            "launches", INFO, "no kernels: nothing ran on a device, or it was not recorded", facts=facts
        )
    message = f"{share.part:,} of {share.whole:,} kernels have a launch record ({share.ratio:.1%})"
    if share.ratio >= ENOUGH:
        return Finding("launches", FINE, message, facts=facts)
    poor = tuple(rank.rank for rank in ranks if (rank.launched.ratio or 1) < ENOUGH)
    return Finding(
        "launches_missing",
        WARN,
        message,
        poor,
        cost="phase and layer of the others are unknown",
        hint="start the profiler a step earlier; CUDA graphs hide launches",
        facts=facts,
    )


def told(ranks: Sequence[RankHealth]) -> Finding:
    """Collectives with metadata, in count and in time."""
    count, time = _of_all(rank.told for rank in ranks), _of_all(rank.told_ns for rank in ranks)
    facts = {
        "collectives": count.whole,
        "with_metadata": count.part,
        "share": count.ratio,
        "time_share": time.ratio,
    }
    if count.ratio is None:
        return Finding("communication", INFO, "no communication was recorded", facts=facts)
    message = (
        f"{count.part:,} of {count.whole:,} collectives carry metadata "
        f"({count.ratio:.1%}; {time.ratio or 0:.1%} of their time)"
    )
    if count.ratio >= ENOUGH:
        return Finding("metadata", FINE, message, facts=facts)
    poor = tuple(rank.rank for rank in ranks if (rank.told.ratio or 1) < ENOUGH)
    return Finding(
        "metadata_missing",
        WARN,
        message,
        poor,
        hint=_how_to_tell_collectives(ranks),
        facts=facts,
        cost="kinds, sizes and groups of the others come from operators, ranges and names",
    )


def _how_to_tell_collectives(ranks: Sequence[RankHealth]) -> str:
    if all(rank.source == Source.NSYS for rank in ranks):
        return "nsys profile --trace cuda,nvtx takes what NCCL says of its calls (not with NCCL_NVTX_DISABLE)"
    if all(rank.backend == "gloo" for rank in ranks):
        return "commscope record marks them on gloo"
    if not any(rank.silent_nccl for rank in ranks):
        return ""
    if all(rank.graphs for rank in ranks):
        return "torch 2.13 or newer annotates kernels of CUDA graphs; without graphs 2.4 records them"
    return "torch 2.4 or newer records it on NCCL; record_shapes=True helps older ones"


def counts(ranks: Sequence[RankHealth]) -> Finding:
    """Whether all ranks issued equally many collectives."""
    by_rank = {rank.rank: rank.collectives for rank in ranks}
    facts = {"collectives": {str(rank): counts for rank, counts in by_rank.items()}}
    kinds = sorted({kind for counts in by_rank.values() for kind in counts})
    uneven = [kind for kind in kinds if len({counts.get(kind, 0) for counts in by_rank.values()}) > 1]
    if not kinds:
        return Finding("counts", INFO, "no host record of any collective", facts=facts)
    if not uneven:
        return Finding(
            "counts", FINE, "every rank issued the same number of collectives of each kind", facts=facts
        )
    spoken = "; ".join(f"{kind} {_numbers(by_rank, kind)}" for kind in uneven[:4])
    return Finding(
        "counts_differ",
        WARN,
        f"the hosts' records of collectives differ in number between ranks: {spoken}",
        all_of(ranks),
        cost="collectives are matched by proof, and those without a partner are left out",
        hint="pipeline stages differ rightly; else start and stop the profiler on the same step",
        facts=facts,
    )


def _numbers(by_rank: dict[int, dict[str, int]], kind: str) -> str:
    counts = Counter(counts.get(kind, 0) for counts in by_rank.values())
    return " or ".join(str(number) for number in sorted(counts))


def clocks(ranks: Sequence[RankHealth]) -> Finding:
    """Whether the captures overlap in time."""
    timed = [rank for rank in ranks if rank.start_ns is not None and rank.end_ns is not None]
    facts = {
        "hosts": sorted({rank.host for rank in ranks if rank.host is not None}),
        "windows": {str(rank.rank): [rank.start_ns, rank.end_ns] for rank in timed},
    }
    if len(timed) < 2:
        return Finding("clocks", INFO, "one rank: no clocks to align", facts=facts)
    first = max(rank.start_ns or 0 for rank in timed)
    last = min(rank.end_ns or 0 for rank in timed)
    if first >= last:
        return Finding(
            "no_common_time",
            SERIOUS,
            "the ranks' captures do not overlap in time",
            all_of(timed),
            facts=facts,
            cost="waiting can be told only if the clocks are wrong and the collectives still match",
            hint="start the profilers at the same step, or synchronise the hosts' clocks",
        )
    hosts = len(facts["hosts"])
    spoken = "one host" if hosts == 1 else f"{hosts} hosts" if hosts else "hosts not recorded"
    return Finding(
        "clocks", FINE if hosts == 1 else INFO, f"the ranks' captures overlap in time; {spoken}", facts=facts
    )


def order(ranks: Sequence[RankHealth]) -> Finding:
    """Whether stamps keep the order that hardware keeps."""
    late, crossed = sum(rank.launched_late for rank in ranks), sum(rank.overlapping for rank in ranks)
    worst_ns = max((rank.late_ns for rank in ranks), default=0)
    facts = {
        "kernels_before_launch": late,
        "largest_ns": worst_ns,
        "kernels_overlapping_on_a_stream": crossed,
    }
    if not late and not crossed:
        return Finding(
            "order", FINE, "no kernel starts before its launch or overlaps another on its stream", facts=facts
        )
    if not late:
        return Finding(
            "kernels_overlap",
            INFO,
            f"{crossed} kernels start before the one before them on their stream has ended",
            tuple(rank.rank for rank in ranks if rank.overlapping),
            hint="programmatic dependent launch does that; else stamps are not exact there",
            facts=facts,
        )
    also = f"; {crossed} overlap another on their stream" if crossed else ""
    return Finding(
        "order_broken",
        WARN,
        f"{late} kernels start before their launch, by up to {format_time(worst_ns)}{also}",
        tuple(rank.rank for rank in ranks if rank.launched_late),
        cost="stamps of device and host do not agree there",
        facts=facts,
    )
