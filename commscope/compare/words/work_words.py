"""What was computed and how fast in words: Utilisation of one run or two -> sentences for text and JSON.

Of two runs these are the numbers of both and no claim: whether a time differs is for `time_words`.
"""

from __future__ import annotations

from commscope.compare.measures.utilisation import Utilisation
from commscope.schema import CAPTURE, Phase
from commscope.units import format_flops, format_percent, format_time

TOLD = (Phase.FORWARD, Phase.BACKWARD, Phase.RECOMPUTE, Phase.OPTIMIZER)


def work_sentences(*runs: Utilisation) -> tuple[str, ...]:
    """Compute time by phase, then the rate of arithmetic and its share of the peak, or why there is none."""
    return tuple(sentence for sentence in (_phases(runs), _rates(runs)) if sentence)


def _phases(runs: tuple[Utilisation, ...]) -> str:
    if not any(run.compute_by_phase_ns for run in runs):
        return ""
    seen = [phase for phase in TOLD if any(run.compute_by_phase_ns.get(phase) for run in runs)]
    told = [f"{phase} {_pair(*(format_time(_time(run, phase)) for run in runs))}" for phase in seen]
    return f"Compute {_per(runs)}, profiled: {', '.join(told)}." if told else ""


def _per(runs: tuple[Utilisation, ...]) -> str:
    return "a rank" if any(CAPTURE in run.basis for run in runs) else "a step and rank"


def _time(run: Utilisation, phase: Phase) -> float | None:
    """None where the run tells no phase at all."""
    return run.compute_by_phase_ns.get(phase, 0.0) if run.compute_by_phase_ns else None


def _rates(runs: tuple[Utilisation, ...]) -> str:
    if any(run.hardware_flops is None for run in runs):
        why = next(run.why for run in runs if run.hardware_flops is None)
        return f"FLOP/s: not captured, {why}."
    flops = _pair(*(format_flops(run.model_flops) for run in runs))
    basis = _pair(*(run.basis for run in runs))
    rate = _pair(*(format_flops(run.model_flops_per_s, "/s") for run in runs))
    return f"Model {flops} {_per(runs)}, {rate} in the {basis}{_shares(runs)}."


def _shares(runs: tuple[Utilisation, ...]) -> str:
    """MFU and HFU where the peak of every run's device is known."""
    if any(run.peak_flops_per_s is None for run in runs):
        return "; no MFU, for the peak of its device is not known (--gpu names one)"
    mfu = _pair(*(format_percent(run.mfu) for run in runs))
    hfu = _pair(*(format_percent(run.hfu) for run in runs))
    peak = _pair(*(f"{format_flops(run.peak_flops_per_s, '/s')} of {run.gpu}" for run in runs))
    return f": MFU {mfu}, HFU {hfu} (peak in 16 bits: {peak})"


def _pair(*told: str) -> str:
    """Both sides, or one where they say the same."""
    return " → ".join(dict.fromkeys(told))
