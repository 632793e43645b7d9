"""Files and folders that are whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from commscope import whole
from commscope.cli.common import emit
from commscope.errors import UsageProblem
from commscope.whole import replace_whole, write_whole


def test_a_device_stays_a_device_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    emit("the answer\n", str(pipe), force=True)
    reader.join()
    assert got == [b"the answer\n"]
    assert pipe.is_fifo()
    emit("the answer\n", os.devnull, force=False)
    assert Path(os.devnull).is_char_device()


def test_a_planted_link_is_not_followed_and_a_chosen_one_is(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".out.txt.partial").symlink_to(victim)
    emit("the answer\n", str(tmp_path / "out.txt"), force=True)
    assert victim.read_text() == "precious"
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    (tmp_path / "there").mkdir()
    emit("the answer\n", str(tmp_path / "link"), force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "the answer\n"


def test_the_mode_of_a_file_stays_and_nothing_is_left_behind(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 250)
    file.write_bytes(b"old")
    file.chmod(0o600)
    write_whole(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UsageProblem, match="cannot write"):
        emit("the answer\n", str(tmp_path / "a"), force=True)


@pytest.fixture(params=["in one step", "in two steps"])
def exchanging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With renameat2, and on a system without it."""
    if request.param == "in two steps":
        monkeypatch.setattr(whole, "_CANNOT_EXCHANGE", (whole.errno.EBADF,))
        monkeypatch.setattr(whole, "_AT_FDCWD", -7)


@pytest.mark.usefixtures("exchanging")
def test_a_folder_is_replaced_whole_and_keeps_what_is_not_ours(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "logs").mkdir(parents=True)
    (folder / "ours-1").write_text("old")
    (folder / "logs" / "theirs").write_text("theirs")
    (folder / "link").symlink_to("/nowhere")

    def make(beside: Path) -> int:
        assert (folder / "ours-1").read_text() == "old"
        (beside / "ours-2").write_text("new")
        return 7

    assert replace_whole(folder, make, lambda path: path.name.startswith("ours")) == 7
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        "link",
        "logs",
        "logs/theirs",
        "ours-2",
    ]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_cannot_be_made_replaces_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "ours").write_text("old")

    def make(beside: Path) -> None:
        (beside / "ours").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_whole(folder, make, lambda _: True)
    assert (folder / "ours").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


_REPLACING = """
import sys
from pathlib import Path
from commscope.whole import replace_whole
def make(folder):
    for name in ("a", "b", "c"):
        (folder / name).write_text(number)
print("ready", flush=True)
for number in map(str, range(1_000_000)):
    replace_whole(Path(sys.argv[1]), make, lambda path: path.name != "theirs")
"""


def test_at_whatever_moment_it_is_killed_the_folder_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_text("first")
    (folder / "theirs").write_text("theirs")
    for round_ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _REPLACING, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.003 * round_)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len({(folder / name).read_text() for name in ("a", "b", "c")}) == 1
        assert (folder / "theirs").read_text() == "theirs"
