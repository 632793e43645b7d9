"""Tables of what took longest, as an engineer asks for them.

Analysis in; DataFrames, the worst first, out. Times in ns, absent values NA.
"""

from __future__ import annotations

from commscope.analysis.top.collectives import late_collectives
from commscope.analysis.top.kernels import kernels, slowed_kernels
from commscope.analysis.top.layers import layers
from commscope.analysis.top.ranks import idle_times, rank_quantiles

__all__ = ["idle_times", "kernels", "late_collectives", "layers", "rank_quantiles", "slowed_kernels"]
