"""False pairs and matched share over random programs: `python -m benchmarks.match_worlds --worlds 10000`."""

from __future__ import annotations

import argparse

from tests.analysis.matching.test_worlds import false_pairs, share_matched
from tests.analysis.matching.worlds import random_world, simulated


def main() -> None:
    """Print the seeds of worlds with a false pair, and the share matched where nothing was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=10_000)
    worlds = parser.parse_args().worlds
    lossy = {seed: false_pairs(simulated(random_world(seed, lossy=True))) for seed in range(worlds // 2)}
    whole = [simulated(random_world(seed, lossy=False)) for seed in range(worlds // 2)]
    wrong = [seed for seed, count in lossy.items() if count] + [
        n for n, run in enumerate(whole) if false_pairs(run)
    ]
    share = sum(map(share_matched, whole)) / len(whole)
    print(f"{worlds} worlds: {len(wrong)} with a false pair {wrong}; {share:.4%} matched if nothing was lost")


if __name__ == "__main__":
    main()
