"""The roofline of what an example takes: a chart for the run page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from harness.efficiency.ledger import Phase
from harness.efficiency.roofline import Roofline, roofline
from harness.efficiency.roofline_chart import DARK, LIGHT, chart

if TYPE_CHECKING:
    from harness.efficiency.rates import Side

_NAMED = 3


def show(phases: Sequence[tuple[Phase, float]], side: Side, accelerators: int = 1) -> bool:
    """Draw phases, with how often each runs, under the roofs of a side's hardware; False if they have no points.

    `StageSeconds.phases` are such phases. Raises `InputError` as `roofline` does.
    """
    found = roofline(phases, side.hardware, side.stack, max(accelerators, 1))
    if not any(point.flops for point in found.points):
        return False
    colours = DARK if st.context.theme.type == "dark" else LIGHT
    drawn = chart(found, colours).configure_axis(labelColor=colours[2], titleColor=colours[2])
    st.altair_chart(drawn, width="stretch", alt=described(found))
    return True


def described(found: Roofline) -> str:
    """The chart in words: what takes most of the seconds, and what limits it."""
    largest = "; ".join(
        f"{p.operation} of {p.phase}: {p.share:.0%} of the seconds, limited by {p.limit}" for p in found.points[:_NAMED]
    )
    return f"Roofline on {found.hardware}. Largest operations: {largest}."
