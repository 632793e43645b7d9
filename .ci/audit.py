"""Known vulnerabilities of what constraints.txt pins, asked of an advisory source by pip-audit.

Exits 1 where one is known. Where no source can be reached CI goes on, but says that nothing was audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
PATIENCE_S = 180


def report() -> dict[str, Any] | str:
    """What pip-audit found, or why it could not look."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        asked = ["--format", "json", "--progress-spinner", "off", "--disable-pip", "--no-deps"]
        try:
            venv.create(folder, with_pip=True)
            _run(python, "pip", "install", "--quiet", "--disable-pip-version-check", "pip-audit")
            done = _run(python, "pip_audit", *asked, "--requirement", str(CONSTRAINTS), check=False)
            found: dict[str, Any] = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return f"no answer within {PATIENCE_S} s"
        except (subprocess.CalledProcessError, OSError):
            return "pip-audit cannot be installed here"
        except ValueError:
            return (done.stderr.strip().splitlines() or ["pip-audit gave no answer"])[-1]
    return found


def told(found: dict[str, Any] | str) -> tuple[list[str], int]:
    """What CI prints, and its exit code."""
    if isinstance(found, str):
        return [f"AUDIT DID NOT RUN: {found}"], 0
    packages = found.get("dependencies", [])
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        return [f"AUDIT DID NOT RUN: no advisory source knows any of {len(packages)} packages here"], 0
    bad = [(package, one) for package in asked for one in package.get("vulns", ())]
    lines = [
        f"{package['name']} {package['version']}: {one['id']}, mended in {', '.join(one['fix_versions'])}"
        for package, one in bad
    ]
    return [*lines, f"audit: {len(asked)} of {len(packages)} packages asked for, {len(bad)} known"], int(
        bool(bad)
    )


def _run(python: Path, module: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-m", module, *options], capture_output=True, text=True, check=check, timeout=PATIENCE_S
    )


if __name__ == "__main__":
    lines, code = told(report())
    print("\n".join(lines))
    sys.exit(code)
