"""CI's audit of dependencies: what it says of what pip-audit tells."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tests.conftest import CHECKOUT

SAFE = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


def told(found: dict[str, Any] | str) -> tuple[list[str], int]:
    spec = importlib.util.spec_from_file_location("audit", CHECKOUT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answer: tuple[list[str], int] = module.told(found)
    return answer


@pytest.mark.parametrize("found", ["no network", {"dependencies": [SKIPPED]}, {}])
def test_what_was_not_audited_is_never_called_fine(found: dict[str, Any] | str) -> None:
    lines, code = told(found)
    assert code == 0
    assert lines[0].startswith("AUDIT DID NOT RUN")


def test_a_known_vulnerability_fails() -> None:
    lines, code = told({"dependencies": [SAFE, BAD, SKIPPED]})
    assert code == 1
    assert lines == ["b 2: PYSEC-1, mended in 3", "audit: 2 of 3 packages asked for, 1 known"]
    assert told({"dependencies": [SAFE, SKIPPED]}) == (["audit: 1 of 2 packages asked for, 0 known"], 0)
