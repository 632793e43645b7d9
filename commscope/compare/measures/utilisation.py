"""How well a run used its devices: Analysis -> Utilisation, from recorded shapes and the step's time.

Model FLOPs are those of products outside recompute, hardware FLOPs all of them (Korthikanti et al. 2022, with
what ran in place of a closed form), of one rank and step. MFU and HFU are their rates over the peak of the
device in bf16 (v100: fp16); a device without a known peak has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from commscope.analysis.result import Analysis
from commscope.analysis.summary import step_windows
from commscope.compare.measures.measurement import PROFILED, UNPROFILED, Measurement
from commscope.compare.measures.timed import timed_measurements
from commscope.compare.measures.work import FLOPS, work_measurements
from commscope.schema import CAPTURE, Phase
from commscope.theory.gpus import Gpu, gpu_named, gpu_of_device

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Of one rank, mean over ranks. FLOPs are of a step; None with `why` where shapes were not recorded."""

    compute_by_phase_ns: dict[str, float]  # mean over ranks, median over steps; empty: phases not told
    step_ns: float | None
    basis: str  # plain step, profiled step, or profiled capture where no steps are marked
    model_flops: float | None
    hardware_flops: float | None
    gpu: str | None  # whose peak is meant
    peak_flops_per_s: float | None
    why: str = ""

    @property
    def model_flops_per_s(self) -> float | None:
        """Rate of what the model needs."""
        return _rate(self.model_flops, self.step_ns)

    @property
    def hardware_flops_per_s(self) -> float | None:
        """Rate with what is computed twice."""
        return _rate(self.hardware_flops, self.step_ns)

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilisation, a ratio."""
        return _share(self.model_flops_per_s, self.peak_flops_per_s)

    @property
    def hfu(self) -> float | None:
        """Hardware FLOPs utilisation, a ratio."""
        return _share(self.hardware_flops_per_s, self.peak_flops_per_s)


def utilisation_of(analysis: Analysis, gpu: str | None = None) -> Utilisation:
    """Of one run; `gpu` names the device in place of its recording. Raises UsageProblem on an unknown one."""
    timed = {one.metric: one for one in timed_measurements(analysis)}
    work = {one.metric: one for one in work_measurements(analysis)}
    plain, profiled = timed[UNPROFILED], timed[PROFILED]
    step = plain if plain.value is not None else profiled
    device = _device(analysis, gpu)
    hardware, again = work[FLOPS].value, work.get(f"{FLOPS}/{Phase.RECOMPUTE}")
    repeated = again.value or 0 if again is not None else 0
    return Utilisation(
        compute_by_phase_ns=_by_phase(timed),
        step_ns=step.value or None,
        basis="plain step" if step is plain else _profiled(analysis),
        model_flops=None if hardware is None else hardware - repeated,
        hardware_flops=hardware,
        gpu=device.name if device else None,
        peak_flops_per_s=device.peak_tflops * 1e12 if device else None,
        why=work[FLOPS].why,
    )


def _profiled(analysis: Analysis) -> str:
    return "profiled step" if step_windows(analysis) else f"profiled {CAPTURE}"


def _device(analysis: Analysis, gpu: str | None) -> Gpu | None:
    """The named one, else the kind that all ranks say they ran on."""
    if gpu is not None:
        return gpu_named(gpu)
    kinds = {gpu_of_device(name) for name in analysis.run.devices}
    return kinds.pop() if len(kinds) == 1 else None


def _by_phase(timed: dict[str, Measurement]) -> dict[str, float]:
    found = {phase: timed.get(f"compute.time/{phase}") for phase in Phase}
    return {
        str(phase): one.value for phase, one in found.items() if one is not None and one.value is not None
    }


def _rate(flops: float | None, time_ns: float | None) -> float | None:
    return None if flops is None or not time_ns else flops / time_ns * _NS_PER_S


def _share(rate: float | None, peak: float | None) -> float | None:
    return None if rate is None or peak is None else rate / peak
