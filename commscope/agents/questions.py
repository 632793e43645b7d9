"""What may be asked: one method a tool, each answered by the documents of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commscope.agents.capped import cannot_tell, capped, of_window
from commscope.agents.documents import Refused, document
from commscope.agents.roots import Roots


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions over the runs under some roots; each raises CommScopeError where it has no answer."""

    roots: Roots

    @property
    def tools(self) -> tuple[Callable[..., dict[str, Any]], ...]:
        """All of them."""
        return self.runs, self.analyze, self.compare, self.doctor, self.whatif, self.plan, self.instance

    def runs(self) -> dict[str, Any]:
        """Names of the runs that can be asked about."""
        from commscope.readers.runs.find import find_runs

        names = [self.roots.name_of(path) for path in find_runs(self.roots.folders)]
        return capped({"runs": sorted(names)}, 500)

    def analyze(self, run: str, window: str = "") -> dict[str, Any]:
        """Where one step's time went: breakdown by rank, collectives, who waited for whom, critical path.

        `window` is a name such as "step 3" or "capture"; empty: the headline's own, and all windows' names.
        """
        told = document("analyze", str(self.roots.path_of(run)))
        names = [one["name"] for one in told["windows"]]
        chosen = window or _typical(told)
        if chosen not in names:
            raise Refused(f"there is no window {window!r}; there are: {', '.join(names[:40])}")
        answer = of_window(told, chosen)
        return {"window": chosen, "cannot_tell": cannot_tell(told), **capped(answer)}

    def compare(self, baseline: str, candidate: str) -> dict[str, Any]:
        """What differs between two runs, which numbers changed, and whether a change of time is proved."""
        return capped(
            document("compare", str(self.roots.path_of(baseline)), str(self.roots.path_of(candidate))), 80
        )

    def doctor(self, run: str) -> dict[str, Any]:
        """What is wrong or missing in a recording, what it costs the answer, how to record better."""
        return capped(document("doctor", str(self.roots.path_of(run))))

    def whatif(
        self,
        run: str,
        no_stragglers: bool = False,
        comm_free: bool = False,
        bandwidth: float = 1.0,
        latency: float = 1.0,
        scales: list[str] | None = None,
    ) -> dict[str, Any]:
        """The steps replayed otherwise; `scales` as ["all_gather=0.5", "compute@rank3=0.8"]."""
        options = [
            *(["--no-stragglers"] if no_stragglers else []),
            *(["--comm-free"] if comm_free else []),
            f"--bandwidth={bandwidth}x",
            f"--latency={latency}x",
            *(f"--scale={scale}" for scale in scales or ()),
        ]
        return capped(document("whatif", str(self.roots.path_of(run)), *options))

    def plan(
        self,
        workload: str = "gpt",
        tp: int = 1,
        sp: bool = False,
        dp: int = 1,
        layers: int = 2,
        hidden: int = 256,
        heads: int = 8,
        seq: int = 256,
        batch: int = 4,
        gpu: str = "h100",
        recompute: str = "none",
    ) -> dict[str, Any]:
        """What a layout costs by closed forms: memory, whether it fits, step time, bytes; without a run."""
        sizes = {
            "tp": tp,
            "dp": dp,
            "layers": layers,
            "hidden": hidden,
            "heads": heads,
            "seq": seq,
            "batch": batch,
        }
        options = [f"--{name}={value}" for name, value in sizes.items()]
        options += [f"--gpu={gpu}", f"--recompute={recompute}", *(["--sp"] if sp else [])]
        return capped(document("plan", workload, *options), 80)

    def instance(self, run: str, number: int) -> dict[str, Any]:
        """One matched collective on every rank: when it began and ended, wait, transfer, who was last."""
        from commscope.notebook import load
        from commscope.report.plain_json import dumps

        table = load(self.roots.path_of(run), jobs=1).instances
        rows = table[table["instance"] == number]
        if rows.empty:
            known = table["instance"].dropna()
            last = "none was matched" if known.empty else f"they are numbered 0 to {int(known.max())}"
            raise Refused(f"there is no matched instance {number}: {last}")
        told = rows.astype(object).where(rows.notna(), None).to_dict("records")
        return capped(dict(json.loads(dumps({"instance": number, "rows": told}))), 1024)


def _typical(told: dict[str, Any]) -> str:
    """The step of median length, as the headline's; the capture where no step is marked."""
    steps = sorted(
        (max(row["span_ns"] for row in told["breakdown"] if row["window"] == name), name)
        for name in {row["window"] for row in told["breakdown"]} - {"capture"}
    )
    return steps[(len(steps) - 1) // 2][1] if steps else "capture"
