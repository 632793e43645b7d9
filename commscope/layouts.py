"""What makes a layout and a model fit each other: said once, before anything is planned or recorded."""

from __future__ import annotations

from commscope.errors import UsageProblem
from commscope.trace import Layout, ModelShape


def check_layout(layout: Layout, model: ModelShape) -> None:
    """Raise UsageProblem where heads are no whole columns, or where ranks would not get equal parts."""
    for name, size in (
        ("heads", model.heads),
        ("hidden", model.hidden),
        ("ffn", model.ffn),
        ("vocab", model.vocab),
    ):
        _divides(layout.tp, name, size)
    _divides(model.heads, "hidden", model.hidden, "--heads")
    _divides(model.kv_heads, "heads", model.heads, "--kv-heads")
    if model.family == "llama" and model.hidden // model.heads % 2:
        raise UsageProblem(
            f"heads of {model.hidden // model.heads} columns have no halves to rotate",
            hint="change --hidden or --heads",
        )
    _check_kv_heads(layout, model)
    _check_recompute(layout, model)
    _divides(layout.pp * layout.vpp, "layers", model.layers, "--pp" if layout.vpp == 1 else "--pp x --vpp")
    if layout.vpp > 1:
        _check_interleaving(layout, model)
    _divides(layout.cp, "seq", model.seq, "--cp")
    if layout.sp or layout.distribute_saved:
        _divides(layout.tp * layout.cp, "seq", model.seq, "--tp" if layout.cp == 1 else "--tp x --cp")


def _check_recompute(layout: Layout, model: ModelShape) -> None:
    """Options that would change nothing are mistakes."""
    fully = layout.recompute.startswith("full")
    if layout.recompute_layers is not None and not fully:
        raise UsageProblem("--recompute-layers without full recompute", hint="--recompute full")
    if (layout.recompute_layers or 0) > model.layers:
        raise UsageProblem(
            f"{layout.recompute_layers} of {model.layers} layers cannot be recomputed",
            hint="--recompute-layers of at most --layers",
        )
    if layout.distribute_saved and not fully:
        raise UsageProblem("--distribute-saved without full recompute", hint="--recompute full")


def _check_interleaving(layout: Layout, model: ModelShape) -> None:
    """Narayanan et al. 2021, section 2.2."""
    if layout.pp == 1:
        raise UsageProblem("--vpp interleaves stages of a pipeline", hint="--pp 2 or more")
    if model.microbatches % layout.pp:
        raise UsageProblem(
            f"{model.microbatches} microbatches are not a multiple of {layout.pp} stages",
            hint="interleaved stages take --microbatches in groups of --pp",
        )


def _check_kv_heads(layout: Layout, model: ModelShape) -> None:
    if model.kv_heads % layout.tp and layout.tp % model.kv_heads:
        raise UsageProblem(
            f"tp {layout.tp} and {model.kv_heads} KV heads do not divide each other",
            hint="change --kv-heads or --tp",
        )
    if model.kv_heads < layout.tp and not layout.fused:
        raise UsageProblem(
            f"{model.kv_heads} KV heads cannot be split over {layout.tp} ranks without the fused QKV",
            hint="leave out --unfused, or take --kv-heads of at least --tp",
        )


def _divides(divisor: int, name: str, value: int, option: str = "--tp") -> None:
    if value % divisor:
        hint = f"change --{name} or {option}"
        raise UsageProblem(f"{name} {value} is not a multiple of {divisor} ({option})", hint=hint)


def layout_words(layout: Layout | None) -> str:
    """`TP=2 + SP, full recompute`; empty where the layout was not recorded."""
    if layout is None:
        return ""
    words = f"TP={layout.tp}" + (" + SP" if layout.sp else "")
    extras = [f"{axis.upper()}={getattr(layout, axis)}" for axis in ("dp", "pp", "cp", "ep")]
    extras = [extra for extra in extras if not extra.endswith("=1")]
    if layout.recompute != "none":
        extras.append(f"{layout.recompute} recompute")
    if layout.impl != "explicit":
        extras.append(layout.impl)
    return ", ".join([words, *extras])
