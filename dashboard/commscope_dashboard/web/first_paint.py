"""The first screen before any script ran: an index page that holds the words and the numbers.

Dash draws a page only after its scripts are loaded, which takes seconds on a weak machine. Until then the
same components stand in the page as plain HTML; `state.js` removes them once the app has drawn its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import Any

from dash import Dash

SCHEME_COOKIE = "commscope-scheme"
_VOID = {"br", "hr", "img", "input"}
_LATER = "dash_ag_grid"  # 1.3 MB that only one page needs: state.js fetches it there
_PRELOAD = '<link rel="preload" as="script" href="/_dash-component-suites/plotly/package_data/plotly.min.js">'
_SCRIPT = re.compile(r'\s*<script src="([^"]*)"></script>')
EARLY_SCRIPT = f"""
(function () {{
  var root = document.documentElement, kept = null;
  try {{ kept = localStorage.getItem("mantine-color-scheme-value"); }} catch (error) {{ kept = null; }}
  var dark = kept === "dark" || (kept !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  var scheme = dark ? "dark" : "light";
  root.lang = "en";
  root.setAttribute("data-mantine-color-scheme", scheme);
  document.cookie = "{SCHEME_COOKIE}=" + scheme + "; path=/; SameSite=Strict";
}})();
"""


class EarlyDash(Dash):
    """A Dash app whose index page shows `preview()` until the app itself stands.

    `draws` says whether the page that is asked for has figures: then plotly is fetched beside the rest.
    """

    def __init__(
        self, *args: Any, preview: Callable[[], Any], draws: Callable[[], bool], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._preview, self._draws = preview, draws

    def interpolate_index(self, **kwargs: Any) -> str:  # type: ignore[override]
        """The index page: scheme first, then the preview, then the scripts less those of one page."""
        scripts, later = without(kwargs["scripts"], _LATER)
        kwargs["scripts"] = scripts
        early = f'<meta name="grid-script" content="{escape(later or "")}"><script>{EARLY_SCRIPT}</script>'
        kwargs["metas"] = f"{kwargs['metas']}{early}{_PRELOAD if self._draws() else ''}"
        shown = as_html(self._preview())
        kwargs["app_entry"] = f'<div id="preview">{shown}</div>{kwargs["app_entry"]}'
        page: str = super().interpolate_index(**kwargs)  # type: ignore[no-untyped-call]
        return page


def without(scripts: str, word: str) -> tuple[str, str | None]:
    """Script tags less the one whose address holds a word, and that address."""
    found = next((tag for tag in _SCRIPT.finditer(scripts) if word in tag[1]), None)
    return (scripts, None) if found is None else (scripts.replace(found[0], ""), found[1])


def as_html(component: Any) -> str:
    """Components of plain HTML as text; ids are left out, since the app will bring the same."""
    if component is None:
        return ""
    if isinstance(component, list | tuple):
        return "".join(as_html(one) for one in component)
    if not hasattr(component, "to_plotly_json"):
        return escape(str(component))
    parts = component.to_plotly_json()
    tag, props = parts["type"].lower(), dict(parts["props"])
    children = props.pop("children", None)
    opened = "".join(_attribute(name, value) for name, value in props.items())
    return f"<{tag}{opened}>" if tag in _VOID else f"<{tag}{opened}>{as_html(children)}</{tag}>"


def _attribute(name: str, value: Any) -> str:
    if value is None or name in {"id", "n_clicks"}:
        return ""
    if name == "style":
        rules = ";".join(f"{_dashed(key)}:{_length(one)}" for key, one in value.items())
        return f' style="{escape(rules)}"'
    return f' {"class" if name == "className" else name}="{escape(str(value))}"'


def _dashed(name: str) -> str:
    return re.sub("([A-Z])", lambda letter: f"-{letter[1].lower()}", name)


def _length(value: Any) -> str:
    return f"{value}px" if isinstance(value, int | float) else str(value)
