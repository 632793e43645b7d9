"""Recorded files are served as they stood when their run was loaded, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

from commscope_dashboard.app import create_app

from commscope.engine import analyze
from commscope.readers import open_run
from tests.dashboard.web.asking import get
from tests.hostile.commands import written
from tests.hostile.seeds import seed_run


def test_a_file_swapped_after_the_start_is_not_served(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    files = {name: json.dumps(one).encode() for name, one in seed_run("nccl", 2).items()}
    folder = written(tmp_path / "run", files)
    app = create_app([folder], read=lambda path: (analyze(open_run(path), jobs=1), None))
    answer = get(app, "/trace/run/0")
    assert answer.status_code == 200
    assert answer.data == files["rank0.json"]
    assert answer.content_length == len(files["rank0.json"])
    (folder / "rank0.json").unlink()
    (folder / "rank0.json").symlink_to(secret)
    assert get(app, "/trace/run/0").status_code == 404
    (folder / "rank1.json").unlink()
    os.mkfifo(folder / "rank1.json")
    assert get(app, "/trace/run/1").status_code == 404
    assert get(app, "/trace/run/2").status_code == 404
    assert get(app, "/trace/../0").status_code == 404
