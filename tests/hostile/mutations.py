"""Damage to whole runs: documents of 1 to 3 ranks and run.json -> the bytes of a damaged folder."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

from tests.hostile.seeds import Document, seed_run
from tests.readers.mutator import mutate

Files = dict[str, Document]
NUMBERS = (
    0, 1, -1, 2, 3, 0.5, 30, 1 << 20, 2_000_000_000, 10**12, (1 << 63) - 1, 1 << 63, -(1 << 63), 10**30, 1e300, 1e-300,
)  # fmt: skip
OTHERS = (
    None, True, "", "0", "12", "[0, 1, 2]", "[0, 1, ...]", "\u202e<b>\x1b[31m", "nan", [], [0], [1, 0], [0, 0], {}, {"a": []}, [[[]]],
    "all_gather", "reduce_scatter", "send", "recv", "broadcast", "barrier", "alltoall_base", "bfloat16", "backward",
)  # fmt: skip
NAMES = (
    "commscope:layer:99999999999", "commscope:layer:3", "layer 7", "ProfilerStep#3", "ProfilerStep#" + 30 * "9", "Optimizer.step#A",
    "commscope:phase:backward", "cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaStreamWaitEvent", "cudaGraphLaunch",
    "ncclDevKernel_SendRecv()", "ncclDevKernel_ReduceScatter_Sum_bf16_RING_LL()", "ncclDevKernel_AllGather_RING_LL()", "gloo:all_reduce",
    "gloo:send", "gloo:recv", "c10d::send", "c10d::recv_", "c10d::barrier", "c10d::_allgather_base_", "record_param_comms", "aten::mm",
    "nccl:all_reduce", "Memcpy DtoD (Device -> Device)", "autograd::engine::evaluate_function: MmBackward0", "",
)  # fmt: skip
CATEGORIES = (
    "cpu_op", "user_annotation", "gpu_user_annotation", "kernel", "cuda_runtime", "gpu_memcpy", "gpu_memset", "cuda_sync",
    "python_function", "ac2g", "other",
)  # fmt: skip


def damaged_run(chance: random.Random) -> dict[str, bytes]:
    """A seed of 1 to 3 ranks with one to five damages: file names and bytes."""
    files = copy.deepcopy(seed_run(chance.choice(("nccl", "gloo")), chance.choice((1, 2, 2, 3))))
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        chance.choice(_DAMAGES)(files, chance)
    told = {name: json.dumps(document).encode() for name, document in files.items()}
    if chance.random() < 0.3 and told:
        name = chance.choice(sorted(told))
        told[name] = _cut_or_mutated(told[name], chance)
    if chance.random() < 0.2 and told:
        name = chance.choice(sorted(told))
        if name != "run.json":
            told[f"{name}.gz"] = _flipped(gzip.compress(told.pop(name), 1, mtime=0), chance)
    return told


def _cut_or_mutated(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text) // 8)] if chance.random() < 0.4 else mutate(text, chance)


def _flipped(packed: bytes, chance: random.Random) -> bytes:
    bits = bytearray(packed)
    bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
    return bytes(bits)


def _trace(files: Files, chance: random.Random) -> Document:
    names = [name for name in files if name != "run.json"]
    return files[chance.choice(sorted(names))] if names else {"traceEvents": []}


def _events(files: Files, chance: random.Random) -> list[Any]:
    events = _trace(files, chance).get("traceEvents")
    return events if isinstance(events, list) else []


def _event(files: Files, chance: random.Random) -> dict[str, Any]:
    events = [event for event in _events(files, chance) if isinstance(event, dict)]
    return chance.choice(events) if events else {}


def _few(files: Files, chance: random.Random) -> None:
    """A rank that is nearly empty."""
    events = _events(files, chance)
    kept = chance.sample(range(len(events)), min(len(events), chance.randrange(6)))
    events[:] = [events[n] for n in sorted(kept)]


def _fewer(files: Files, chance: random.Random) -> None:
    events = _events(files, chance)
    share = chance.random()
    events[:] = [event for event in events if chance.random() < share]


def _without_kind(files: Files, chance: random.Random) -> None:
    events = _events(files, chance)
    cat = chance.choice(CATEGORIES)
    events[:] = [event for event in events if not (isinstance(event, dict) and event.get("cat") == cat)]


def _twice(files: Files, chance: random.Random) -> None:
    events = _events(files, chance)
    events += copy.deepcopy(chance.sample(events, min(len(events), chance.randrange(1, 9))))


def _from_another(files: Files, chance: random.Random) -> None:
    events = _events(files, chance)
    _events(files, chance).extend(copy.deepcopy(chance.sample(events, min(len(events), 6))))


def _shuffled(files: Files, chance: random.Random) -> None:
    chance.shuffle(_events(files, chance))


def _moved(files: Files, chance: random.Random) -> None:
    """Another clock: shifted, or faster, or backwards."""
    shift = chance.choice((0.001, 1.0, 37.0, 1e3, 1e6, -1e6, 4.2e9, -1.7e15, 1e17))
    factor = chance.choice((1, 1, 1, 1.001, 0.5, -1))
    for event in _events(files, chance):
        if isinstance(event, dict) and isinstance(event.get("ts"), int | float):
            event["ts"] = event["ts"] * factor + shift


def _stretched(files: Files, chance: random.Random) -> None:
    event = _event(files, chance)
    event["dur"] = chance.choice((0, 0.001, 1, 1e3, 1e9, 1e15, -5, 500))


def _at_another_time(files: Files, chance: random.Random) -> None:
    first, second = _event(files, chance), _event(files, chance)
    first["ts"] = second.get("ts", 0)


def _renamed(files: Files, chance: random.Random) -> None:
    event = _event(files, chance)
    event["name"] = chance.choice(NAMES)
    if chance.random() < 0.5:
        event["cat"] = chance.choice(CATEGORIES)


def _all_renamed(files: Files, chance: random.Random) -> None:
    events = [event for event in _events(files, chance) if isinstance(event, dict)]
    old = chance.choice(events).get("name") if events else None
    new = chance.choice(NAMES)
    for event in events:
        if event.get("name") == old:
            event["name"] = new


def _any_value(files: Files, chance: random.Random) -> None:
    """Another value anywhere in a trace, its events' arguments above all."""
    if chance.random() < 0.6:
        event = _event(files, chance)
        args = event.get("args")
        _replace(args if isinstance(args, dict) and args else event, chance)
    else:
        _replace(_trace(files, chance).get("distributedInfo"), chance)


def _manifest_value(files: Files, chance: random.Random) -> None:
    if "run.json" in files:
        _replace(files["run.json"], chance)


def _replace(found: Any, chance: random.Random) -> None:
    """Walk down to somewhere and put another value there, or take it away."""
    while isinstance(found, dict | list) and found:
        key = (
            chance.choice(sorted(found, key=str)) if isinstance(found, dict) else chance.randrange(len(found))
        )
        if isinstance(found[key], dict | list) and found[key] and chance.random() < 0.8:
            found = found[key]
        elif chance.random() < 0.15:
            del found[key]
            return
        else:
            found[key] = copy.deepcopy(chance.choice(chance.choice((NUMBERS, OTHERS))))
            return


def _gone(files: Files, chance: random.Random) -> None:
    if len(files) > 1:
        del files[chance.choice(sorted(files))]


def _another_rank(files: Files, chance: random.Random) -> None:
    names = sorted(name for name in files if name != "run.json")
    if names:
        new = f"rank{chance.choice((0, 1, 2, 3, 7, 4096, 10**9))}.json"
        files[new] = copy.deepcopy(files[chance.choice(names)])


_DAMAGES: tuple[Callable[[Files, random.Random], None], ...] = (
    _few, _fewer, _without_kind, _twice, _from_another, _shuffled, _moved, _stretched, _stretched, _at_another_time, _renamed,
    _renamed, _all_renamed, _any_value, _any_value, _any_value, _manifest_value, _manifest_value, _gone, _another_rank,
)  # fmt: skip
