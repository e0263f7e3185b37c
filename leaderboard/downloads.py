"""Buttons that save what is shown: tables as CSV, LaTeX or JSON, charts as SVG. Files are made on the click."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import streamlit as st

from harness.plain import no_formula

_DECIMALS = 4
_COUNTS = ("Rank", "Seed", "n")
_WIDTH = 900  # pixels of a chart that is saved


def of_table(table: Any, name: str) -> None:
    """Buttons for a table of `leaderboard.text.frame`; Streamlit's own export, which knows no formulas, is off."""
    of_made_table(lambda: table, name)


def of_made_table(make: Callable[[], Any], name: str) -> None:
    """The same for a table that is made on the click: one that is too long to be shown at once."""
    kinds: dict[str, tuple[Callable[[Any], bytes], str, str]] = {
        "Download CSV": (csv, "csv", "text/csv"),
        "LaTeX": (latex, "tex", "application/x-tex"),
        "JSON": (json, "json", "application/json"),
    }
    with st.container(horizontal=True):
        for label, (made, suffix, mime) in kinds.items():
            _button(label, partial(_of_made, made, make), f"{name}.{suffix}", mime)


def of_chart(chart: Any, name: str) -> None:
    """A button for an Altair chart, which has one for PNG of its own; none where vl-convert is not installed."""
    if find_spec("vl_convert"):
        _button("Chart as SVG", partial(svg, chart), f"{name}.svg", "image/svg+xml")


def _of_made(save: Callable[[Any], bytes], make: Callable[[], Any]) -> bytes:
    return save(make())


def csv(table: Any) -> bytes:
    """The table as CSV (UTF-8); text that a spreadsheet would take for a formula gets a leading apostrophe."""
    safe = _counted(table).map(_joined).map(no_formula).rename(columns=no_formula)
    encoded: bytes = safe.to_csv(index=False).encode()
    return encoded


def latex(table: Any) -> bytes:
    """The table as LaTeX (booktabs), with scores to four decimals and every special character escaped."""
    import pandas as pd

    plain = _counted(table).map(_joined).rename(columns=str)
    numeric = [name for name in plain.columns if pd.api.types.is_numeric_dtype(plain[name])]
    styled = plain.style.hide(axis="index").format(escape="latex", precision=_DECIMALS, na_rep="--")
    styled = styled.format_index(escape="latex", axis="columns")
    layout = "".join("r" if name in numeric else "l" for name in plain.columns)
    written: str = styled.to_latex(hrules=True, column_format=layout)
    return f"% \\usepackage{{booktabs}}\n{written}".encode()


def json(table: Any) -> bytes:
    """The table as a list of records; what is missing is null."""
    written: str = _counted(table).to_json(orient="records", indent=1, force_ascii=False, date_format="iso")
    return written.encode()


def svg(chart: Any) -> bytes:
    """The chart as SVG, with its text as text."""
    import vl_convert

    written: str = vl_convert.vegalite_to_svg(chart.properties(width=_WIDTH, background="white").to_dict())
    return written.encode()


def _counted(table: Any) -> Any:
    """Whole numbers as such, though some are missing, which pandas would make decimal for."""
    return table.astype({name: "Int64" for name in _COUNTS if name in table.columns})


def _button(label: str, made: Callable[[], bytes], file: str, mime: str) -> None:
    icon = ":material/download:" if label.startswith(("Download", "Chart")) else None
    st.download_button(label, made, file, mime, key=f"{file}-{label}", type="tertiary", icon=icon, on_click="ignore")


def _joined(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
