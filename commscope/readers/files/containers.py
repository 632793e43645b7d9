"""Files that hold a trace inside something else, or something like one.

Takes a path, gives the user's error that names what it is and how to unpack it, None where it is unknown.
"""

from __future__ import annotations

from pathlib import Path

from commscope.errors import UnreadableTrace
from commscope.readers.files.blocks import Damage, blocks_of

_MAGIC = (
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstd -d {name}"),
    (b"BZh", "compressed with bzip2", "bunzip2 {name}"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unxz {name}"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "lz4 -d {name}"),
    (b"PK\x03\x04", "a zip archive", "unzip {name}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x {name}"),
)
PACKED_ENDINGS = (".zst", ".bz2", ".xz", ".lz4", ".zip", ".7z", ".tar", ".tgz", ".nsys-rep", ".qdrep")
_TAR = (b"ustar", 257)


def told_apart(path: Path) -> UnreadableTrace | None:
    """What a file is that is no trace. Raises UnreadableTrace where the system refuses it."""
    if path.suffix.lower() in {".nsys-rep", ".qdrep"}:
        return UnreadableTrace(
            "a report of nsys, which only nsys can open",
            where=str(path),
            hint=f"nsys export --type sqlite --output {path.stem}.sqlite {path.name}",
        )
    head = next(blocks_of(path, Damage()), b"")  # of what gzip holds, where it is gzip
    for magic, what, how in _MAGIC:
        if head.startswith(magic):
            return _packed(path, what, how.format(name=path.name))
    mark, at = _TAR
    if head[at : at + len(mark)] == mark:
        return _packed(path, "a tar archive", f"tar xf {path.name}")
    return None


def packed_in(folder: Path) -> UnreadableTrace | None:
    """The first file of a folder that a trace may be packed in."""
    try:
        found = sorted(file for file in folder.iterdir() if file.name.lower().endswith(PACKED_ENDINGS))
        return next((told for file in found if file.is_file() and (told := told_apart(file))), None)
    except OSError:
        return None


def _packed(path: Path, what: str, how: str) -> UnreadableTrace:
    return UnreadableTrace(f"the file is {what}", where=str(path), hint=f"unpack it first: {how}")
