"""The pytest plugin: a fixture `expect_collectives`, for tests that do not import commscope."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def expect_collectives() -> Any:
    """`with expect_collectives(all_reduce=2): step()`, as `commscope.expect`."""
    from commscope.testing import expect

    return expect
