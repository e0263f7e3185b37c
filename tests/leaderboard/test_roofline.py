"""The roofline that a run page can show."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from harness.efficiency.hardware import hardware
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.roofline import roofline
from leaderboard.roofline import described

PRODUCT = Operation("mm", "matmul", "float16", 4.0, 2.0 * 512**3, 4.0 * 512**2, 2.0 * 512**2, 2.0 * 512**2)
SCAN = Operation("scan", "scan", "float32", 1.0, 0.0, 1e9, 1e3)


def page() -> None:
    from harness.efficiency.hardware import hardware
    from harness.efficiency.ledger import Phase
    from harness.efficiency.rates import Side
    from harness.efficiency.stacks import stack
    from leaderboard import roofline
    from tests.leaderboard.test_roofline import PRODUCT, SCAN

    side = Side(hardware("A100-80GB-SXM"), stack("gpt-fast"))
    assert roofline.show([(Phase("encode", (PRODUCT, SCAN)), 1.0)], side)
    assert not roofline.show([(Phase("search", (SCAN,)), 1.0)], side)


def test_what_computes_is_drawn_and_a_scan_alone_is_not() -> None:
    shown = AppTest.from_function(page, default_timeout=60).run()
    assert not shown.exception
    assert len(shown.get("vega_lite_chart") or shown.get("arrow_vega_lite_chart")) == 1


def test_the_chart_is_told_in_words() -> None:
    words = described(roofline([(Phase("encode", (PRODUCT, SCAN)), 1.0)], hardware("A100-80GB-SXM"), None))
    assert words.startswith("Roofline on A100-80GB-SXM.")
    assert "scan of encode: 99% of the seconds, limited by memory" in words
