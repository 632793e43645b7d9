"""Layouts worth a forecast beside a recorded one: Layout and ModelShape -> layouts that divide."""

from __future__ import annotations

from dataclasses import replace

from commscope.errors import UsageProblem
from commscope.layouts import check_layout
from commscope.trace import Layout, ModelShape

DEGREES = (1, 2, 4, 8)


def candidates(layout: Layout, model: ModelShape, degrees: tuple[int, ...] = DEGREES) -> tuple[Layout, ...]:
    """The recorded one first; for each degree TP, TP + SP, gathered inputs kept, and what is recomputed."""
    bare = replace(
        layout,
        sp=False,
        sp_keep_gathered=False,
        recompute="none",
        recompute_layers=None,
        distribute_saved=False,
    )
    found = [layout]
    for tp in (layout.tp, *degrees):
        alone = replace(bare, tp=tp)
        spread = replace(alone, sp=True)
        found += [
            alone,
            *([spread] if tp > 1 else []),
            *([replace(spread, sp_keep_gathered=True)] if tp > 1 and layout.impl == "explicit" else []),
            *(replace(alone, recompute=kind) for kind in ("selective", "full")),
            *([replace(spread, recompute="full")] if tp > 1 else []),
        ]
    return tuple(dict.fromkeys(one for one in found if _divides(one, model)))


def _divides(layout: Layout, model: ModelShape) -> bool:
    try:
        check_layout(layout, model)
    except UsageProblem:
        return False
    return True
