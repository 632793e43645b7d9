"""Two recordings side by side, for Python."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pandas as pd

from commscope.compare import Comparison
from commscope.notebook import tables

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """What `Recording.compare` gives; `comparison` is the frozen result behind it."""

    comparison: Comparison

    @property
    def verdict(self) -> str:
        """The product's answer in words."""
        return self.comparison.verdict

    @property
    def comparable(self) -> bool:
        """Whether times of the two can be compared."""
        return self.comparison.comparable

    @property
    def metrics(self) -> pd.DataFrame:
        """One row a metric: baseline, candidate, change (candidate / baseline - 1), noise, status."""
        return tables.table(dataclasses.asdict(metric) for metric in self.comparison.metrics)

    @property
    def differences(self) -> pd.DataFrame:
        """Facts that differ; `breaks` where times cannot be compared because of it."""
        columns = ("field", "baseline", "candidate", "breaks")
        return pd.DataFrame([dataclasses.asdict(row) for row in self.comparison.differences], columns=columns)

    def figure(self, name: str, window: str | None = None) -> go.Figure:
        """A figure of both runs, such as `breakdown`. Raises UsageProblem where none has that name."""
        from commscope.notebook.drawn import figure

        return figure(self.comparison, name, window)

    def _repr_html_(self) -> str:
        from commscope.notebook.as_html import html
        from commscope.report.comparison_sections import comparison_sections

        return html(comparison_sections(self.comparison))
