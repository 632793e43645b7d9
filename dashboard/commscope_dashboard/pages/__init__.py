"""One page a file, in the order of the navigation: each gives PATH, NAME, TITLE and layout(library, view)."""

from __future__ import annotations

from commscope_dashboard.pages import collectives, compare, doctor, path, plan, run

PAGES = (compare, run, collectives, path, plan, doctor)
