"""What if: replays the happens-before graph of a run with changed durations."""

from __future__ import annotations

from commscope.whatif.equalize import EQUALIZED
from commscope.whatif.propose import Proposal, proposals
from commscope.whatif.replay import Outcome, outcomes_of, replay, replay_all
from commscope.whatif.scenario import Scale, Scenario, parse_factor, parse_scale
from commscope.whatif.sensitivity import halving_gains
from commscope.whatif.slowdown import Slowdown, slowdown
from commscope.whatif.timeline import Replayed, replayed_collectives
from commscope.whatif.words import outcome_words, scenario_words, slowdown_words

__all__ = [
    "EQUALIZED",
    "Outcome",
    "Proposal",
    "Replayed",
    "Scale",
    "Scenario",
    "Slowdown",
    "halving_gains",
    "outcome_words",
    "outcomes_of",
    "parse_factor",
    "parse_scale",
    "proposals",
    "replay",
    "replay_all",
    "replayed_collectives",
    "scenario_words",
    "slowdown",
    "slowdown_words",
]
