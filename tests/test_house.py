"""The house: folders of few modules, each with one door, and no two that import each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

ROOTS = (
    CHECKOUT / "commscope",
    CHECKOUT / "workloads/commscope_workloads",
    CHECKOUT / "dashboard/commscope_dashboard",
)
MOST_MODULES = 16
FILES = [file for root in ROOTS for file in sorted(root.rglob("*.py"))]
FOLDERS = sorted({file.parent for file in FILES})


def name_of(folder: Path) -> str:
    """The dotted name of a folder, as imports write it."""
    parts = folder.relative_to(CHECKOUT).parts
    return ".".join(parts[1:] if parts[0] in {"workloads", "dashboard"} else parts)


NAMES = {name_of(folder): folder for folder in FOLDERS}


def exported(folder: Path) -> set[str]:
    """What a folder's door exports; empty where it has none."""
    for node in ast.walk(ast.parse((folder / "__init__.py").read_text())):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def imports(file: Path) -> list[tuple[str, str]]:
    """Module and name of each `from module import name` of ours."""
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    return [
        (node.module, one.name)
        for node in nodes
        if node.module and node.module.startswith("commscope")
        for one in node.names
    ]


def folder_of(module: str, name: str) -> str:
    """The folder that an import enters."""
    whole = f"{module}.{name}"
    if whole in NAMES or module in NAMES:
        return whole if whole in NAMES else module
    return module.rpartition(".")[0]


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_folder_holds_few_modules_and_says_what_it_is_for(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MOST_MODULES
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))


def test_other_folders_use_the_door() -> None:
    beside = []
    for file in FILES:
        for module, name in imports(file):
            parent = module.rpartition(".")[0]
            inside = file.parent == NAMES.get(parent) or module in NAMES
            if not inside and parent in NAMES and name in exported(NAMES[parent]) and parent.count(".") > 1:
                beside.append(f"{file.relative_to(CHECKOUT)}: {name} of {module} has the door {parent}")
    assert not beside


def test_no_two_folders_import_each_other() -> None:
    arrows = set()
    for file in FILES:
        here = name_of(file.parent)
        arrows |= {(here, folder_of(module, name)) for module, name in imports(file)} - {(here, here)}
    nested = {
        (one, other) for one, other in arrows if one.startswith(f"{other}.") or other.startswith(f"{one}.")
    }
    both = sorted((one, other) for one, other in arrows - nested if (other, one) in arrows and one < other)
    assert not both
