"""The matrix of nvidia-smi, written down by hand as it prints: tabs, underlined header, network cards, legend."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from commscope.record.handover.links import Link, parse_links, read_links

FOUR = (
    "\t\x1b[4mGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m\n"
    "GPU0\t X \tNV18\tNV18\tNODE\tPIX\t0-47\t0\t\tN/A\n"
    "GPU1\tNV18\t X \tNV4\tSYS\tNODE\t0-47\t0\t\tN/A\n"
    "GPU2\tNV18\tNV4\t X \tPHB\tSYS\t48-95\t1\t\tN/A\n"
    "GPU3\tNODE\tSYS\tPHB\t X \tSYS\t48-95\t1\t\tN/A\n"
    "NIC0\tPIX\tNODE\tSYS\tSYS\t X \n\nLegend:\n\n  X    = Self\n  NV#  = Connection traversing a bonded set of # NVLinks\n"
)


def test_each_pair_is_told_once_and_network_cards_are_no_gpus() -> None:
    links = parse_links(FOUR, "node0")
    assert links is not None
    assert [(link.first, link.second, link.kind, link.nvlinks) for link in links] == [
        (0, 1, "NV18", 18),
        (0, 2, "NV18", 18),
        (0, 3, "NODE", 0),
        (1, 2, "NV4", 4),
        (1, 3, "SYS", 0),
        (2, 3, "PHB", 0),
    ]
    assert links[0] == Link(0, 1, "NV18", 18, "node0")


def test_one_gpu_has_no_links_which_is_not_the_same_as_no_matrix() -> None:
    assert parse_links("\tGPU0\tCPU Affinity\tNUMA Affinity\nGPU0\t X \t0-15\t0\n") == ()
    assert parse_links("NVIDIA-SMI has failed because it could not communicate with the driver\n") is None


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (None, "there is no nvidia-smi"),
        ("exit 9", "returned non-zero exit status 9"),
        ("echo nothing", "printed no matrix"),
    ],
)
def test_what_is_not_known_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, why: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if program is not None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{program}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    said = read_links("node0")
    assert isinstance(said, str)
    assert why in said
