"""Host events that wait for the device without being called so: they stand for it, and for nothing else."""

from __future__ import annotations

import pytest

from tests.analysis.skeleton.test_skeleton import path_of

# A kernel of 10 ms, launched at once; the host goes on with the next launch 30 us after it has ended.
KERNEL = "r0: compute 0-10000 launch=-5"
NEXT = "compute 10040-10100 launch=10030"


@pytest.mark.parametrize(
    "host",
    [
        "op:aten::item 100-10010",  # a poll of pinned memory
        "op:aten::item 100-10010 | op:aten::_local_scalar_dense 102-10008",
        "op:deep_ep::dispatch 100-10010",
        "runtime:cudaMalloc 100-10015",
        "runtime:cudaFree 100-10020",
        "runtime:hipMemcpyWithStream 100-10010",
        "host 9000-9001",  # nothing was recorded around it
        "runtime:cudaEventElapsedTime 10012-10014 | runtime:cudaEventElapsedTime 5-6",
    ],
)
def test_a_host_that_goes_on_as_the_device_has_run_dry_waited_for_it(host: str) -> None:
    path = path_of(f"{KERNEL} | {host} | {NEXT}")
    assert sum(us for us, kind in path if kind == "compute") == 10_060
    assert sum(us for us, kind in path if kind == "host") <= 30


@pytest.mark.parametrize(
    "host",
    [
        "op:aten::item 100-13000",  # the device had been idle for 3 ms
        "op:deep_ep::dispatch 100-11000",
        "runtime:cudaMalloc 100-13000",
    ],
)
def test_a_host_that_merely_takes_long_waited_for_nothing(host: str) -> None:
    path = path_of(f"{KERNEL} | {host} | compute 13040-13100 launch=13030")
    assert path[0] == (13_035, "host")


def test_an_operator_without_calls_of_the_driver_takes_its_time() -> None:
    """As where a thread loses its core: the device happens to run dry right then."""
    path = path_of(f"{KERNEL} | op:aten::slice 100-10010 | {NEXT}")
    assert path[0] == (10_035, "host")


def test_timed_events_have_happened_though_the_stream_goes_on() -> None:
    """What DDP times is amid the stream: the kernel behind it still runs when the host goes on."""
    path = path_of("r0: compute 0-10000 launch=-5 | compute 10000-12000 launch=0 | runtime:cudaEventElapsedTime "
                   "10010-10012 | compute 10045-12500 launch=10040 stream=9")  # fmt: skip
    assert sum(us for us, kind in path if kind == "host") <= 30


def test_work_that_goes_on_was_not_waited_for() -> None:
    """The host goes on as one kernel ends, but the one launched behind it on the stream still runs."""
    host, after = "op:deep_ep::dispatch 100-5005", "compute 5025-9500 launch=5020 stream=9"
    alone = path_of(f"r0: compute 0-5000 launch=-5 | {host} | {after}")
    assert sum(us for us, kind in alone if kind == "host") <= 30
    behind = path_of(f"r0: compute 0-5000 launch=-5 | compute 5000-9000 launch=0 | {host} | {after}")
    assert sum(us for us, kind in behind if kind == "host") == 5_025


def test_what_frees_memory_drains_the_device_and_then_works() -> None:
    path = path_of(f"{KERNEL} | runtime:cudaFree 100-14000 | compute 14040-14100 launch=14030")
    assert sum(us for us, kind in path if kind == "compute") == 10_060
    assert sum(us for us, kind in path if kind == "host") == 4_030
