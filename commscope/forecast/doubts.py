"""What a forecast does not know, in ns of the step, why, and the measurement that would tell.

Residuals are of the run itself: scatter of equal transfers, of its steps, of the speed of its products. Where
the run tells nothing (a kind of collective it does not have, another group size, more ranks than cores) the
doubt is an assumption and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

_OTHER_KIND, _OTHER_SIZE, _CROWDED = 0.3, 0.25, 0.1


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason a step may take longer or shorter."""

    what: str
    time_ns: float
    measurement: str  # what to record so that it is known; empty: more of the same steps
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """What of a forecast was not measured, in ns of the step."""

    other_kinds_ns: float = 0.0  # collectives of kinds the run does not have
    other_sizes_ns: float = 0.0  # of group sizes it does not have
    known_ns: float = 0.0  # of kinds and sizes it has
    rescaled_products_ns: float = 0.0  # matrix products of other shapes
    is_crowded: bool = False  # more ranks than cores, otherwise than in the run


@dataclass(frozen=True, slots=True)
class Residuals:
    """Relative, as the run shows them."""

    steps: float  # scatter of a median of its steps
    transfers: float
    products: float  # of one product's speed against another's


def doubts_of(time_ns: float, unknown: Unknown, residuals: Residuals, recorded_as: str) -> tuple[Doubt, ...]:
    """All that are not zero, the largest first; `recorded_as`: the command that would record the layout."""
    told = f"{recorded_as} --steps 3"
    found = (
        Doubt("steps of the run differ", time_ns * residuals.steps, "record more steps, on an idle machine"),
        Doubt("equal transfers differ", unknown.known_ns * residuals.transfers, "record more steps"),
        Doubt("products of other shapes", unknown.rescaled_products_ns * residuals.products, told),
        Doubt(
            "collectives of a kind the run does not have", unknown.other_kinds_ns * _OTHER_KIND, told, True
        ),
        Doubt("groups of another size", unknown.other_sizes_ns * _OTHER_SIZE, told, True),
        Doubt("ranks that share cores", time_ns * _CROWDED * unknown.is_crowded, told, True),
    )
    return tuple(sorted((one for one in found if one.time_ns > 0), key=lambda one: -one.time_ns))


def half_width_ns(doubts: tuple[Doubt, ...]) -> float:
    """Independent doubts add up as squares."""
    return float(sum(one.time_ns**2 for one in doubts) ** 0.5)
