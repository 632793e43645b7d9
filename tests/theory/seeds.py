"""Claims of the four documents CommScope began with, each with what the closed forms say: rows of docs/seeds.md.

`python -m tests.theory.seeds > docs/seeds.md` writes it; a test holds the file and every verdict.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from commscope.schema import ring_wire_bytes
from commscope.theory.flops import step_flops
from commscope.theory.gpus import GPUS
from commscope.theory.network import collective_time, line_rate_ns, neighbours
from commscope.theory.plan import plan
from commscope.theory.policy import Policy
from commscope.theory.step_time import step_time
from commscope.theory.volume import step_volume
from commscope.trace import Layout, ModelShape
from tests.theory.real_steps import B22, GPT_POLICY, H100_STEPS

H100, A100 = GPUS["h100"], GPUS["a100"]
STEPS = {step.name: step for step in H100_STEPS}
GPT3_BYTES = 8 * 2048 * 12288 * 2  # one activation: batch 8, 2048 tokens, hidden 12288, 2 bytes


@dataclass(frozen=True)
class Claim:
    """What a document says, what is computed, and why they differ where they do."""

    document: str
    claim: str
    command: str
    said: float
    found: float
    unit: str
    within: float  # relative: what still agrees
    why: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the number said is the number found."""
        return abs(self.found - self.said) <= self.within * abs(self.said)


def claims() -> tuple[Claim, ...]:
    """All of them, in the order of the documents."""
    return (*_weak(), *_strong(), *_gpt22b(), *_reference(), *_lesson())


def gmac(name: str) -> float:
    """Multiplications of one MLP's forward on a rank, 8 h^2 a token: what the tables' GMAC column turns out to be."""
    model, tp = STEPS[name].model, STEPS[name].layout.tp
    return 8 * model.hidden**2 * model.seq * model.batch / tp / 1e9


def wire_gb(name: str) -> float:
    """Ring wire bytes of all collectives of a step, a rank."""
    step = STEPS[name]
    return sum(row.total_wire_bytes for row in step_volume(step.layout, step.model)) / 1e9


def efficiency(first: str, name: str) -> float:
    """Operations per rank and second against another row's, per cent: weak scaling with a growing model."""
    rates = [
        step_flops(STEPS[row].layout, STEPS[row].model).model / STEPS[row].layout.tp / STEPS[row].time_ms
        for row in (first, name)
    ]
    return 100 * rates[1] / rates[0]


def communication_share(name: str) -> float:
    """All collectives of a step, hidden or not, per cent of the measured step."""
    step = STEPS[name]
    planned = plan(step.layout, step.model, GPT_POLICY, H100)
    return 100 * planned.communication_ns / 1e6 / step.time_ms


def _sizes(name: str) -> str:
    model, layout = STEPS[name].model, STEPS[name].layout
    options = f"--layers {model.layers} --hidden {model.hidden} --heads {model.heads} --seq {model.seq}"
    more = " --sp" * layout.sp + f" --recompute {layout.recompute}" * (layout.recompute != "none")
    return f"plan gpt --tp {layout.tp}{more} {options} --batch {model.batch} --vocab 51200 --dtype bfloat16 --tied"


def _parameters(name: str) -> float:
    return plan(Layout(), STEPS[name].model, GPT_POLICY, H100).parameters / 1e9


def _memory(name: str) -> float:
    step = STEPS[name]
    return plan(step.layout, step.model, GPT_POLICY, H100).memory.total_bytes / 1e9


def _weak() -> list[Claim]:
    normalised = "the documents divide times only; operations per rank shrink as the model grows"
    rows = [
        Claim("000", f"{size} parameters", _sizes(name), said, _parameters(name), "10^9", 0.04)
        for size, name, said in (
            ("1.2B", "R1", 1.2),
            ("2.5B", "R2", 2.5),
            ("4.2B", "R3", 4.2),
            ("8.3B", "R4", 8.3),
        )
    ]
    for name, said in (("R1", 154.6), ("R2", 120.8), ("R3", 87.0), ("R4", 77.3)):
        large = f"R{int(name[1:]) + 4}"
        rows.append(Claim("000", f"GMAC of an MLP, {name}", _sizes(name), said, gmac(name), "GMAC", 0.01))
        rows.append(
            Claim("000", f"GMAC of an MLP, {large}", _sizes(large), 2.5 * said, gmac(large), "GMAC", 0.01)
        )
    not_hosts = "their layers take 4.4 to 5.3 ms each at any TP: the host's launches hold these steps back"
    for name in ("R1", "R2", "R3", "R4"):
        step = STEPS[name]
        limit = step_time(step.layout, step.model, GPT_POLICY, H100).limited_by
        said = f"communication against compute lowers its efficiency, {name}"
        rows.append(
            Claim("000", said, _sizes(name), 1, float(limit == "network"), f"yes = 1 ({limit})", 0, not_hosts)
        )
    for name, step in STEPS.items():
        rows.append(
            Claim("000", f"memory, {name}", _sizes(name), step.memory_bytes / 1e9, _memory(name), "GB", 0.05)
        )
        found = step_time(step.layout, step.model, GPT_POLICY, H100).time_ns / 1e6
        rows.append(Claim("000", f"step time, {name}", _sizes(name), step.time_ms, found, "ms", 0.1))
    for first, name, said in (
        ("R1", "R2", 77), ("R1", "R3", 67), ("R1", "R4", 64), ("R5", "R6", 84), ("R5", "R7", 89), ("R5", "R8", 78),
    ):  # fmt: skip
        rows.append(
            Claim(
                "000",
                f"weak efficiency, {name}",
                "operations / t / time",
                said,
                efficiency(first, name),
                "%",
                0.02,
                normalised,
            )
        )
    return rows


def _strong() -> list[Claim]:
    wrong = "the weak table's column divided by TP once more, at other hidden sizes"
    rows = [
        Claim("000", f"GMAC of an MLP, {name}", _sizes(name), said, gmac(name), "GMAC", 0.01, wrong)
        for name, said in (
            ("R11", 154.6),
            ("R12", 77.3),
            ("R13", 38.7),
            ("R14", 19.3),
            ("R15", 386.5),
            ("R16", 151.0),
            ("R17", 54.4),
            ("R18", 24.2),
        )
    ]
    host = "by closed form; the steps take 4.6 to 5.3 ms a layer whatever TP is: the host's launches hold them back"
    shares = {name: communication_share(name) for name in ("R12", "R13", "R14")}
    rows += [
        Claim("000", f"communication dominates the step, {name}", _sizes(name), 1, float(share > 50),
              f"yes = 1 ({share:.1f} % of it)", 0, host)
        for name, share in shares.items()
    ]  # fmt: skip
    for first, name, said in (("R15", "R16", 75), ("R15", "R17", 47), ("R15", "R18", 24), ("R11", "R12", 53),
                              ("R11", "R13", 26), ("R11", "R14", 13)):  # fmt: skip
        rows.append(
            Claim(
                "000",
                f"strong efficiency, {name}",
                "operations / t / time",
                said,
                efficiency(first, name),
                "%",
                0.03,
            )
        )
    rows.append(
        Claim("000", "the paper's strong efficiency on 8 ranks", "2.98 / 8 (arXiv 1909.08053, table 8)", 33.6,
              100 * 2.98 / 8, "%", 0.01, "2.69 / 8 was taken")
    )  # fmt: skip
    grows = "payload is constant; wire bytes go with 2(t-1)/t"
    rows.append(
        Claim("000", "constant communication volume, R12 to R14", _sizes("R14"), 1.0,
              wire_gb("R14") / wire_gb("R12"), "x wire", 0.01, grows)
    )  # fmt: skip
    return rows


def _gpt22b() -> list[Claim]:
    tp, sp = Layout(tp=8), Layout(tp=8, sp=True)
    plans = {layout: plan(layout, B22, GPT_POLICY, H100) for layout in (tp, sp)}
    megatron = "the paper's count; Megatron gathers each column-parallel input again in backward: 6 AG + 4 RS"
    ring = {layout: plan(layout, B22, GPT_POLICY, replace(H100, nvls_gbps=None)) for layout in (tp, sp)}
    layer = sum(row.count for row in step_volume(sp, replace(B22, layers=49))) - sum(
        row.count for row in step_volume(sp, B22)
    )
    command = "plan gpt --tp 8 --sp --layers 48 --hidden 6144 --heads 64 --seq 2048 --vocab 51200"
    return [
        Claim("000", "C1 (TP alone) is out of memory: more than 82.4 GB", command, 1, float(not plans[tp].fits), "yes = 1", 0),
        Claim("000", "C2 (TP + SP) fits", command, 1, float(plans[sp].fits), "yes = 1", 0),
        Claim("000", "8 collectives a layer under SP", command, 8, layer, "collectives", 0, megatron),
        Claim("000", "SP needs the same bandwidth as TP", command, 1, plans[sp].wire_bytes / plans[tp].wire_bytes,
              "x wire of a ring", 0.01, megatron),
        Claim("000", "the same, in time, over a ring", command, 1,
              ring[sp].communication_ns / ring[tp].communication_ns, "x time", 0.01, megatron),
        Claim("000", "the same, in time, on NVSwitch", command, 1,
              plans[sp].communication_ns / plans[tp].communication_ns, "x time", 0.01,
              "besides, NVSwitch reduces all_reduces by itself, not gathers and scatters"),
    ]  # fmt: skip


def _reference() -> list[Claim]:
    group, peak = neighbours(4, A100), A100.peak_tflops
    gpt3 = ModelShape("gpt", 1, 12288, 4 * 12288, 96, 96, 51200, 2048, 8, dtype="bfloat16")
    tp = step_volume(Layout(tp=4), replace(gpt3, layers=2)), step_volume(Layout(tp=4), gpt3)
    layer = sum(row.count for row in tp[0]) - sum(row.count for row in tp[1])
    compute = (24 * 8 * 2048 * 12288**2 + 4 * 8 * 2048**2 * 12288) / 4 / peak / 1e9
    timed = "time all_reduce 402653184B --ranks 4 --gpu a100"
    return [
        Claim("001", "2 all_reduces a layer", "plan gpt --tp 4", 2, layer, "all_reduces", 0, "2 forward and 2 backward"),
        Claim("001", "payload 402 MB", timed, 402, GPT3_BYTES / 1e6, "MB", 0.005),
        Claim("001", "1.5 P sent on 4 ranks", timed, 1.5, ring_wire_bytes("all_reduce", GPT3_BYTES, 4) / GPT3_BYTES, "P", 0.001),
        Claim("001", "its all_reduce takes 1.0 ms", timed, 1.0, line_rate_ns("all_reduce", GPT3_BYTES, group, A100) / 1e6,
              "ms at the nominal rate", 0.05, "600 GB/s is both directions; one is 300"),
        Claim("001", "the same as it is reached", timed, 1.0,
              collective_time("all_reduce", GPT3_BYTES, group, A100).time_ns / 1e6, "ms", 0.05, "a ring reaches about 230 GB/s"),
        Claim("001", "10 to 20 ms of compute a layer", "plan gpt --tp 4 --gpu a100", 20, compute, "ms at the peak, forward",
              0.05, "24 B s h^2 + 4 B s^2 h operations over 4 ranks"),
        Claim("001", "87.5 GB fits on an A100", "plan --gpu a100", 1, float(A100.memory_bytes > 175e9 * 2 / 4), "yes = 1", 0,
              "an A100 has 80 GB"),
        Claim("001", "1.2 GB of a weight matrix", "12288 x 49152 x 2", 1.2, 12288 * 49152 * 2 / 1e9, "GB", 0.01),
        Claim("001", "NVLink is 24 x InfiniBand", "300 / 25 GB/s, one direction", 24, 300 / 25, "x", 0.01,
              "600 GB/s counts both directions, 25 GB/s one"),
    ]  # fmt: skip


def _lesson() -> list[Claim]:
    tp, sp = Layout(tp=8), Layout(tp=8, sp=True)
    ratio = plan(sp, B22, GPT_POLICY, H100).wire_bytes / plan(tp, B22, GPT_POLICY, H100).wire_bytes
    model = ModelShape("gpt", 32, 4096, 16384, 32, 32, 51200, 2048, 4, dtype="bfloat16")
    rates = {
        degree: 1 / (degree * step_time(Layout(tp=degree, sp=True), model, GPT_POLICY, H100).time_ns)
        for degree in (2, 4, 8, 16, 32)
    }
    drops = {to: rates[at] - rates[to] for at, to in ((2, 4), (4, 8), (8, 16), (16, 32))}
    cliff = max(drops, key=lambda degree: drops[degree])
    layer = sum(row.count for row in step_volume(tp, replace(B22, layers=49))) - sum(
        row.count for row in step_volume(tp, B22)
    )
    return [
        Claim("002", "2 all_reduces a block", "plan gpt --tp 8", 2, layer, "all_reduces", 0, "that is forward; backward has 2 more"),
        Claim("002", "SP adds no communication", "plan gpt --tp 8 --sp", 1, ratio, "x wire of a ring", 0.01,
              "true of the paper and of DTensor; Megatron gathers again"),
        Claim("002", "throughput drops most at TP=16", "plan gpt --tp 16 --sp --hidden 4096 --heads 32", 16, cliff, "TP degree", 0),
        Claim("002", "the largest activation is [seq/N, hidden] under SP", "plan gpt --tp 8 --sp", 1 / 8, 1.0,
              "of [seq, hidden]", 0, "a column-parallel product needs its input gathered whole, and makes [seq, 4 hidden / N]"),
        Claim("003", "SP saves activation memory at norms", "plan gpt --tp 8 --sp", 1, float(_saves(tp, sp)), "yes = 1", 0),
    ]  # fmt: skip


def _saves(tp: Layout, sp: Layout) -> bool:
    norms = [dict(plan(layout, B22, Policy(), H100).memory.activations_bytes)["norms"] for layout in (tp, sp)]
    return norms[0] == 8 * norms[1]


def document() -> str:
    """docs/seeds.md."""
    rows = [
        f"| {claim.document} | {claim.claim} | `{claim.command}` | {claim.said:.4g} | {claim.found:.4g} {claim.unit} "
        f"| {'agrees' if claim.agrees else 'refuted: ' + claim.why} |"
        for claim in claims()
    ]
    return "\n".join([HEAD, *rows, ""])


HEAD = """# The four documents CommScope began with, claim by claim

Written by `python -m tests.theory.seeds`; a test holds every row. 000: vuiseng9/megatron-tutorials on 8 x H100; 001: notes on Megatron's tensor parallelism; 002: a lesson on the
Ultra-Scale Playbook's chapter 4; 003: notes on PyTorch's tutorial, which quote and give no numbers. *Said* is the document's number, *found* the closed form's or the prediction's.

| document | claim | by | said | found | |
|---|---|---|---|---|---|"""


if __name__ == "__main__":
    sys.stdout.write(document())
