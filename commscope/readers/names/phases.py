"""Names that tell a phase: patterns over the names of operators and ranges.

Autograd and optimizers leave names of their own; programs name ranges after a phase in words, or with the
letters of pipeline schedules: `attn(F)`, `mlp(B)`, `mlp(W)` (forward, backward of inputs, of weights), and as
torch's own schedules write them: `PP:0F1`, `PP:2SEND_B0`, `PP:0RECV_F2` (stage, action, microbatch).
"""

from __future__ import annotations

import re

BACKWARD_NODE = re.compile(
    r"autograd::engine::evaluate_function\b.*"
    r"|(?!.*Checkpoint)(struct )?(\S*Backward\d*|\S*AccumulateGrad|torch::autograd::CppNode<.*)(, seq = .*)?"
)
ACCUMULATE_NODE = re.compile(r"(autograd::engine::evaluate_function: )?\S*AccumulateGrad(, seq = .*)?")
OPTIMIZER_STEP = re.compile(r"Optimizer\.\w+#.*")
OPTIMIZER_ZERO_GRAD = re.compile(r"Optimizer\.zero_grad#.*")
GRAPH_LAUNCH = re.compile(r"(cuda|hip|cu)GraphLaunch.*")  # whose kernels say no phase
_SPOKEN = re.compile(
    r"\W*(?:[\w ]*[/:.])?(?P<phase>forward|fwd|backward|bwd|recompute|optimi[sz]er)"
    r"(?:[ _-]?(?:pass|step|compute|all))?(?:[ _#:-]*\d+)?\W*"
    r"|[\w .:/-]+\((?P<letter>(?-i:[FBW]))\)"
    r"|PP:\d+(?:SEND_|RECV_)?(?P<action>(?-i:[FBIW]))\d*",
    re.IGNORECASE,
)
_LONGEST = 200  # no name of a phase is longer
_LETTERS = {"w": "b", "i": "b"}


def spoken_phase(name: str) -> str | None:
    """The first letter of the phase a range is named after (f, b, r, o), None where it is none."""
    match = _SPOKEN.fullmatch(name) if len(name) <= _LONGEST else None
    if match is None:
        return None
    letter = (match["phase"] or match["letter"] or match["action"])[0].lower()
    return _LETTERS.get(letter, letter)
