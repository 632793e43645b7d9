"""The first thing a rank's process does, before it imports torch: from now on it ends with its launcher."""

from __future__ import annotations

import os
import runpy

from commscope.record.handover.liveness import die_with_parent
from commscope.record.handover.request import LAUNCHER

if __name__ == "__main__":
    die_with_parent(int(os.environ.get(LAUNCHER) or os.getppid()))
    runpy.run_module("commscope.record.rank.child", run_name="__main__", alter_sys=True)
