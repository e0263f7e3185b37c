"""Keys order as (score, id) do."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval.order import TieOrder, pack, scores_of

scores = st.floats(width=32, allow_nan=False).map(lambda value: value + 0.0)  # no negative zero


@given(st.dictionaries(st.text(max_size=3), scores, min_size=1))
def test_keys_order_by_score_then_by_the_bytes_of_ids(scored: dict[str, float]) -> None:
    ids, values = list(scored), np.array(list(scored.values()), dtype=np.float32)
    order = TieOrder.of(ids)
    keys = np.sort(pack(values, order.rank))[::-1]
    expected = sorted(scored, key=lambda name: (scored[name], name.encode("utf-8", "surrogatepass")), reverse=True)
    assert [ids[place] for place in order.documents(keys)] == expected
    assert scores_of(keys).tolist() == [scored[name] for name in expected]
    assert (keys > 0).all()
