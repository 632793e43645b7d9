"""Two nodes that know no names: two network namespaces, each with a host name that resolves nowhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

from commscope.engine import analyze
from commscope.errors import BackendProblem, UsageProblem
from commscope.readers import open_run
from commscope.record.launcher.addresses import interface_of, own_address, split
from tests.record.foreign import DDP

ADDRESSES = ("10.213.7.1", "10.213.7.2")


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def nodes() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a wire between them."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("needs ip and unshare (iproute2, util-linux)")
    names = (f"cs{os.getpid()}a", f"cs{os.getpid()}b")
    made = []
    try:
        for name in names:
            run("ip", "netns", "add", name)
            made.append(name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run(
            "ip",
            "-n",
            names[0],
            "link",
            "add",
            "wire0",
            "type",
            "veth",
            "peer",
            "name",
            "wire1",
            "netns",
            names[1],
        )
        for name, wire, address in zip(names, ("wire0", "wire1"), ADDRESSES, strict=True):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", wire)
            run("ip", "-n", name, "link", "set", wire, "up")
    except (subprocess.CalledProcessError, OSError) as error:
        for name in made:
            run("ip", "netns", "del", name)
        pytest.skip(f"needs the right to make network namespaces: {error}")
    yield names
    for name in names:
        run("ip", "netns", "del", name)


@pytest.mark.record
def test_two_nodes_whose_names_do_not_resolve_make_one_run(nodes: tuple[str, str], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(DDP, encoding="utf-8")
    launchers = []
    for rank, name in enumerate(nodes):
        endpoint = f"{ADDRESSES[0]}:29517"
        where = ("--nnodes", "2", "--node-rank", str(rank), "--rdzv-endpoint", endpoint, "--nproc", "1")
        asked = ("--steps", "2", "--warmup", "2", "-o", str(tmp_path / "run"), "--", str(script))
        inside = ("sh", "-c", f'hostname nowhere{rank} && exec "$@"', "sh")
        record = (sys.executable, "-m", "commscope", "record", *where, *asked)
        words = ("ip", "netns", "exec", name, "unshare", "--uts", *inside, *record)
        launchers.append(subprocess.Popen(words, stderr=subprocess.PIPE, text=True))
    told = [launcher.communicate(timeout=240)[1] for launcher in launchers]
    assert [launcher.returncode for launcher in launchers] == [0, 0], told
    manifest = msgspec.json.decode((tmp_path / "run" / "run.json").read_bytes())
    assert manifest["complete"] is True
    assert manifest["hosts"] == {"0": "nowhere0", "1": "nowhere1"}
    matching = analyze(open_run(tmp_path / "run")).matching
    assert matching.matched == matching.instances > 0


def test_a_name_that_does_not_resolve_is_told_at_once() -> None:
    with pytest.raises(BackendProblem, match=r"the name no-such-node\.invalid does not resolve on this node"):
        own_address("no-such-node.invalid:29400")


def test_an_address_of_this_node_and_its_interface() -> None:
    assert own_address("127.0.0.1:29400") == "127.0.0.1"
    assert interface_of("127.0.0.1") == "lo"
    assert split("[::1]:29400") == ("::1", 29400)
    with pytest.raises(UsageProblem, match="is no HOST:PORT"):
        split("node0")
