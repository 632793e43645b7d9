"""What the dashboard answers to whom: names it serves, headers, limits, malformed requests."""

from __future__ import annotations

import copy
import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest
from commscope_dashboard.runs.library import Library, LoadedRun
from commscope_dashboard.view import view_of
from commscope_dashboard.web.guard import is_allowed, names_of

from tests.analyses import make_analysis
from tests.dashboard.web.asking import UPDATE, Body, client_of, figure_body, get, part_body, small_app

KNOWN = {"localhost", "127.0.0.1", "node7"}
ODD: tuple[Any, ...] = (
    None,
    0,
    -1,
    1e308,
    True,
    "",
    "x",
    "\x1b[31m\n",
    [],
    [[]],
    {},
    {"id": {}},
    "9" * 5000,
    [None] * 50,
)


@pytest.fixture(scope="module")
def app() -> Any:
    return small_app()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True), ("LOCALHOST:8050", True), ("localhost.:80", True), ("127.0.0.1:8050", True), ("[::1]:8050", True),
        ("10.0.0.7", True), ("node7:1", True), ("evil.test:8050", False), ("", False), ("localhost.evil.test", False),
        ("evil.test@localhost", True), ("[::1", False), ("127.0.0.1.nip.io", False),
    ],
)  # fmt: skip
def test_only_known_names_and_addresses_are_answered(host: str, allowed: bool) -> None:
    assert is_allowed(host, KNOWN) == allowed


def test_a_page_on_a_rebound_name_reads_nothing(app: Any) -> None:
    for path in ("/", "/_dash-layout", "/trace/one/0", "/assets/state.js"):
        answer = get(app, path, Host="evil.test:8050")
        assert answer.status_code == 421, path
    assert get(app, "/", Host="localhost:8050").status_code == 200
    wider = small_app(hosts=("evil.test",))
    assert get(wider, "/", Host="evil.test:8050").status_code == 200


def test_a_server_on_loopback_has_no_other_names() -> None:
    assert names_of("127.0.0.1") == ("127.0.0.1",)
    assert len(names_of("0.0.0.0")) == 3


@pytest.mark.parametrize(
    "path", ["/", "/_dash-layout", "/nothing-here.js", "/trace/one/0", "/assets/style.css"]
)
def test_every_answer_forbids_frames_sniffing_and_embedding(app: Any, path: str) -> None:
    headers = get(app, path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    scripts = next(
        rule for rule in headers["Content-Security-Policy"].split("; ") if rule.startswith("script-src")
    )
    assert "unsafe" not in scripts
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_well_formed_callbacks_are_answered(app: Any) -> None:
    for body in (part_body(), figure_body(rank=1, step="step 1")):
        answer = client_of(app).post(UPDATE, json=body)
        assert answer.status_code == 200, answer.text


def test_a_malformed_callback_is_refused_with_one_line(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    chance, refused = random.Random(5), 0
    with caplog.at_level(logging.WARNING):
        for _ in range(600):
            body = malformed(chance.choice((part_body, figure_body))(), chance)
            caplog.clear()
            status = client_of(app).post(UPDATE, data=body, content_type="application/json").status_code
            assert status in {200, 204, 400, 404}, body[:500]
            assert len(caplog.records) == (status >= 400), body[:500]
            assert all("\n" not in record.getMessage() for record in caplog.records)
            refused += status >= 400
    assert refused > 200


def malformed(body: Body, chance: random.Random) -> str:
    """A callback's body with something else, or nothing, somewhere."""
    whole: Any = {"body": copy.deepcopy(body)}
    found, key = whole, "body"
    while isinstance(found[key], dict | list) and found[key] and chance.random() < 0.85:
        found = found[key]
        key = chance.choice(list(found)) if isinstance(found, dict) else chance.randrange(len(found))
    if chance.random() < 0.3 and found is not whole:
        del found[key]
    else:
        found[key] = chance.choice(ODD)
    text = json.dumps(whole["body"])
    return text[: chance.randrange(len(text) + 1)] if chance.random() < 0.1 else text


@pytest.mark.parametrize(
    "path",
    [
        "/?rank=" + 5000 * "9",
        "/run?rank=" + 5000 * "9",
        "/?step=" + 5000 * "x",
        "/%0a%1b",
        "/trace/one/" + 400 * "9",
    ],
)
def test_odd_addresses_are_no_failure(app: Any, path: str, caplog: pytest.LogCaptureFixture) -> None:
    assert get(app, path).status_code in {200, 404}
    assert len(caplog.records) <= 1


def test_a_body_beyond_the_limit_is_refused(app: Any) -> None:
    answer = client_of(app).post(UPDATE, data=b"x" * (2 << 20), content_type="application/json")
    assert answer.status_code == 413


def test_an_unknown_step_is_no_key_of_what_is_kept() -> None:
    views = {view_of(_library(), {"step": f"step {n}" * 10}) for n in range(50)}
    assert len(views) == 1
    assert view_of(_library(), {"step": "step 1"}).step == "step 1"


def _library() -> Library:
    return Library([LoadedRun("one", Path("nowhere"), analysis=make_analysis())])


def test_numbers_that_are_no_ranks_are_none() -> None:
    for rank in ("9" * 5000, "-1", "1.0", "0x1", "\u0661", [1], {"a": 1}):
        assert view_of(_library(), {"rank": rank}).focus.rank is None
