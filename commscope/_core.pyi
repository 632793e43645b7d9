from collections.abc import Callable
from typing import Any

REVISION: int

class Scanner:
    def __init__(
        self,
        name_of: Callable[[bytes], tuple[int, bool]],
        place_of: Callable[
            [bytes | None, bytes | None, bytes | None, bytes | None, bytes | None], tuple[int, int]
        ],
        comm_of: Callable[[bytes | None, bytes | None], int],
        sync_kind: int,
        /,
    ) -> None: ...
    def scan(self, text: Any, /) -> list[bytes] | None: ...
    def take(self) -> tuple[int, tuple[Any, ...], list[int], list[tuple[int, bytes]], int, int]: ...

def order(start_ns: Any, end_ns: Any, /) -> Any: ...
