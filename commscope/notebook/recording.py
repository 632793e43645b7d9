"""One recorded run for Python: a path in; its answers as tables, figures and verdicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from commscope.analysis import top
from commscope.analysis.result import Analysis
from commscope.engine import analyze
from commscope.notebook import tables
from commscope.readers import open_run
from commscope.schema import CAPTURE

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from commscope.check import Verdict
    from commscope.notebook.compared import Compared

StrPath = str | PathLike[str]


def load(path: StrPath, *, ranks: Mapping[str, int] | None = None, jobs: int | None = None) -> Recording:
    """Read and analyze whatever the command line reads: a run's folder, or one file.

    `ranks` says the rank of files that do not, by name; `jobs` is the number of worker processes (default: as
    many as pay off). Raises UnreadableTrace where there is no run.
    """
    return Recording(analyze(open_run(Path(path), ranks=ranks), jobs=jobs))


@dataclass(frozen=True, slots=True, repr=False)
class Recording:
    """One run, analyzed. Times in ns on the common clock; what was not captured is NA, and `gaps` says why.

    `analysis` is the frozen result behind the tables.
    """

    analysis: Analysis

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.analysis.run.name

    @property
    def breakdown(self) -> pd.DataFrame:
        """Where each rank's time went: one row a rank and window, an exact partition of `span_ns`."""
        return tables.breakdown(self.analysis)

    @property
    def collectives(self) -> pd.DataFrame:
        """Counts, bytes, wait and transfer by window, rank, collective, phase, role, group and size."""
        return tables.collectives(self.analysis)

    @property
    def instances(self) -> pd.DataFrame:
        """Every collective instance of every rank: one row an instance and rank."""
        return self.analysis.instances.copy()

    @property
    def stalls(self) -> pd.DataFrame:
        """Who waited for whom, and why: one row a window, victim and culprit."""
        return tables.stalls(self.analysis)

    @property
    def critical_path(self) -> pd.DataFrame:
        """The parts of the critical path of each window, in order."""
        return tables.critical_path(self.analysis)

    @property
    def steps(self) -> pd.DataFrame:
        """Start, end and span of every step on every rank."""
        return tables.steps(self.analysis)

    @property
    def late_collectives(self) -> pd.DataFrame:
        """Matched collectives by exposed wait summed over their ranks, and why the late rank was late."""
        return top.late_collectives(self.analysis, CAPTURE)

    @property
    def kernels(self) -> pd.DataFrame:
        """Kernels by name and shape, all ranks: count, time, mean, longest; beside communication, alone."""
        return top.kernels(self.analysis)

    @property
    def slowed_kernels(self) -> pd.DataFrame:
        """Kernels of one shape that are surely slower beside communication, with a 95 % interval."""
        return top.slowed_kernels(self.analysis)

    @property
    def idle_times(self) -> pd.DataFrame:
        """The longest times in which a rank's device did nothing, and what its host did in each."""
        return top.idle_times(self.analysis, CAPTURE)

    @property
    def layers(self) -> pd.DataFrame:
        """One row a layer with its slowest collective; empty where layers are not told."""
        return top.layers(self.analysis, CAPTURE)

    @property
    def rank_quantiles(self) -> pd.DataFrame:
        """How unlike ranks are in each part of the capture, the largest skew first."""
        return top.rank_quantiles(self.analysis, CAPTURE)

    @property
    def gaps(self) -> pd.DataFrame:
        """What the trace does not tell, and why."""
        return tables.gaps(self.analysis)

    def summary(self) -> dict[str, float]:
        """The run as a flat dict, for W&B, MLflow or TensorBoard; what is not known is left out."""
        from commscope.report.gauges import flat, gauges_of

        return flat(gauges_of(self.analysis))

    def figure(self, name: str, window: str | None = None) -> go.Figure:
        """A figure, such as `stalls`, of one window or of the typical step.

        Raises UsageProblem where none has that name.
        """
        from commscope.notebook.drawn import figure

        return figure(self.analysis, name, window)

    def compare(self, candidate: Recording) -> Compared:
        """This run as the baseline, side by side with a candidate."""
        from commscope.compare import compare
        from commscope.notebook.compared import Compared

        return Compared(compare(self.analysis, candidate.analysis))

    def whatif(
        self,
        *,
        no_stragglers: bool = False,
        comm_free: bool = False,
        bandwidth: float = 1.0,
        latency: float = 1.0,
        scales: Sequence[str] = (),
        equalize: str | None = None,
    ) -> pd.DataFrame:
        """The steps replayed under other circumstances, as `commscope whatif` does; `scales` as there.

        Raises UsageProblem where nothing is different or a scale cannot be read.
        """
        from commscope.whatif import Scenario, parse_scale, replay_all

        scenario = Scenario(
            no_stragglers=no_stragglers,
            comm_free=comm_free,
            bandwidth=bandwidth,
            latency=latency,
            scales=tuple(parse_scale(scale) for scale in scales),
            equalize=equalize,
        )
        return tables.replayed(replay_all(self.analysis, scenario))

    def check(self, baseline: StrPath, *, config: StrPath | None = None) -> Verdict:
        """The gate's verdict on this run against a folder of baselines; `config` holds budgets.

        Raises UsageProblem where the folder holds no baseline or the configuration cannot be read.
        """
        from commscope.check import check, load_baselines, load_config

        rules = load_config(Path(config)) if config is not None else None
        return check([self.analysis], load_baselines(Path(baseline)), rules)

    def __repr__(self) -> str:
        ranks = "1 rank" if len(self.analysis.ranks) == 1 else f"{len(self.analysis.ranks)} ranks"
        return f"Recording({self.name!r}, {ranks})"

    def _repr_html_(self) -> str:
        from commscope.notebook.as_html import html
        from commscope.report.analysis_sections import analysis_sections

        return html(analysis_sections(self.analysis))
