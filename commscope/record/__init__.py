"""Recording: ranks under the profiler, ranges, ledger. The only part of commscope that imports torch."""
