"""What a workload is given: its rank, its process groups, marks, and a way to run steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch.distributed as dist

from commscope.record.handover.request import RecordRequest
from commscope.record.marks.ledger import Marks
from commscope.record.rank.session import Rank, Session, Step


@dataclass(frozen=True, slots=True)
class RankContext:
    """One rank of a run, handed to the entry function of a workload."""

    request: RecordRequest
    session: Session

    @property
    def rank(self) -> Rank:
        """Where this process stands."""
        return self.session.rank

    @property
    def marks(self) -> Marks:
        """Ranges and ledger."""
        return self.session.marks

    def run(self, step: Step) -> None:
        """Run the steps of the plan under the profiler; `step` gives the loss."""
        self.session.run(step)

    def new_group(self, ranks: Sequence[int], description: str) -> dist.ProcessGroup | None:
        """A process group with a description; every rank calls this for every group, members get it."""
        timeout = timedelta(seconds=self.request.timeout_s)
        group: dist.ProcessGroup = dist.new_group(list(ranks), group_desc=description, timeout=timeout)
        return group if self.rank.rank in ranks else None
