"""The roofline as a picture: FLOPs a byte against FLOPs a second, both logarithmic.

Colours are those of Okabe and Ito (2008), told apart with any colour vision; shape says the same again.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.efficiency.roofline import Point, Roofline
from harness.errors import InputError
from harness.plain import plain

if TYPE_CHECKING:
    import altair

LIGHT, DARK = ("#0072B2", "#B35900", "#1b2330"), ("#56B4E9", "#E69F00", "#e8ecf2")
"""Of what the memory limits, of what the arithmetic limits, and of roofs and text."""

_MOST_POINTS = 200
_WIDTH, _HEIGHT = 640, 400
_TOLD = ("phase", "operation", "dtype", "calls", "reaches", "of all")
_WRITERS = {".html": None, ".svg": "vl_convert", ".png": "vl_convert"}


def chart(found: Roofline, colours: Sequence[str] = LIGHT) -> altair.LayerChart | altair.FacetChart:
    """Points sized by their share of the seconds, under the roof of each dtype.

    Points lie on the roof where there is no stack, and below it at a stack's calibrated seconds. What does no
    arithmetic (copies, gathers) has no place on a logarithmic axis and is left out.
    """
    import altair as alt

    points = [point for point in found.points if point.flops > 0][:_MOST_POINTS]
    ridges = [roof.ridge for roof in found.roofs]
    intensities = [point.intensity for point in points] or ridges or [1.0]
    low, high = min(intensities) / 2, max([*intensities, *ridges]) * 2
    x = alt.X("intensity:Q", scale=alt.Scale(type="log", domain=[low, high]), title="FLOPs a byte", axis=_axis(alt))
    y = alt.Y("rate:Q", scale=alt.Scale(type="log"), title="FLOPs a second", axis=_axis(alt))
    limits = alt.Scale(domain=["memory", "compute"], range=list(colours[:2]))
    shapes = alt.Scale(domain=["memory", "compute"], range=["circle", "diamond"])
    roofs = alt.Chart(_data(_roofs(found, low, high))).mark_line(color=colours[2], strokeWidth=1.5)
    marks = alt.Chart(_data([_values(point) for point in points])).mark_point(filled=True, opacity=0.85)
    legend = alt.Legend(title="limited by", orient="top")
    return alt.layer(
        roofs.encode(x=x, y=y, detail="dtype:N", tooltip=[alt.Tooltip("dtype:N"), alt.Tooltip("peak:N")]),
        marks.encode(
            x=x,
            y=y,
            size=alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[30, 900]), legend=None),
            color=alt.Color("limit:N", scale=limits, legend=legend),
            shape=alt.Shape("limit:N", scale=shapes, legend=legend),
            tooltip=[alt.Tooltip(f"{field}:N") for field in _TOLD],
        ),
    ).properties(width=_WIDTH, height=_HEIGHT)


def check_plot(path: Path) -> None:
    """Raise `InputError` for a file that no picture can be written to, before anything is computed."""
    if path.suffix.lower() not in _WRITERS:
        raise InputError(f"{path}: a plot is {' or '.join(_WRITERS)}", hint="Name it roofline.html, say.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"there is no folder {path.absolute().parent}")
    needed = _WRITERS[path.suffix.lower()]
    if needed and find_spec(needed) is None:
        raise InputError(
            f"{path}: writing {path.suffix} needs the package vl-convert-python",
            hint="pip install 'equal-footing[plot]', or write .html, which a browser shows.",
        )


def write_plot(found: Roofline, path: Path, *, title: str) -> None:
    """Write the chart; an .html needs a network when it is opened unless vl-convert-python is installed.

    Raises `InputError` if the file cannot be written.
    """
    import altair as alt

    picture = chart(found).properties(title=alt.TitleParams(_shown(title), subtitle=_subtitle(found)))
    inline = path.suffix.lower() == ".html" and find_spec("vl_convert") is not None
    try:
        picture.save(str(path), inline=inline)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _shown(text: str) -> str:
    """Text that cannot end the script that holds the chart in a page: an invisible space parts < from what follows."""
    return plain(text).replace("<", "<\u200b")


def _data(rows: list[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def _axis(alt: Any) -> Any:
    return alt.Axis(format="~s", tickCount=6, grid=False)


def _subtitle(found: Roofline) -> str:
    on = f"{found.accelerators} × {found.hardware}" if found.accelerators > 1 else found.hardware
    return f"{on}, {f'calibrated: {found.stack}' if found.stack else 'bound'}; area: share of the seconds"


def _roofs(found: Roofline, low: float, high: float) -> list[dict[str, Any]]:
    """Two straight lines each, up to the ridge and from there on."""
    return [
        {
            "dtype": roof.dtype,
            "intensity": x,
            "rate": min(roof.flops_per_second, x * roof.bytes_per_second),
            "peak": f"{roof.flops_per_second / 1e12:,.4g} TFLOP/s, ridge at {roof.ridge:.3g} FLOPs a byte",
        }
        for roof in found.roofs
        for x in sorted({low, roof.ridge, high})
    ]


def _values(point: Point) -> dict[str, Any]:
    return {
        "phase": _shown(point.phase),
        "operation": _shown(point.operation),
        "dtype": point.dtype,
        "intensity": point.intensity,
        "rate": point.flops_per_second,
        "share": point.share,
        "limit": point.limit,
        "calls": f"{point.calls:,.4g}",
        "reaches": f"{point.flops_per_second / 1e12:.4g} TFLOP/s of {point.bound_flops_per_second / 1e12:.4g}",
        "of all": f"{point.share:.1%} of the seconds",
    }
