"""The work of a search, counted: what any implementation does, and what NumPy does beside it on a host."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.efficiency import search_work
from harness.efficiency.counts import Placed
from harness.efficiency.hardware import Hardware, hardware
from harness.efficiency.ledger import Phase
from harness.efficiency.measured import SearchRow, measured_rows
from harness.efficiency.pricing import bound_seconds, estimate
from harness.efficiency.search_work import (
    embedding_bag,
    flat_scan,
    inverted_index_search,
    posting,
    query,
    query_terms,
)
from harness.efficiency.stacks import stack

CORE, A100 = hardware("EPYC-9654-core"), hardware("A100-80GB-SXM")
NUMPY = stack("numpy-cpu")


def seconds(phase: Phase) -> float:
    found = estimate(Placed(phase), CORE, NUMPY).calibrated_seconds
    assert found is not None
    return found


def without_the_hosts_own(phase: Phase) -> Phase:
    kept = tuple(o for o in phase.operations if o.kind not in ("temporary", "pass", "call"))
    return msgspec.structs.replace(phase, operations=kept)


@given(st.integers(1, 10**6), st.floats(0, 20), st.floats(0, 10**6), st.floats(0, 10**5))
def test_a_query_is_the_sum_of_its_parts(documents: int, terms: float, postings: float, candidates: float) -> None:
    parts = seconds(query(documents, 100, candidates)) + seconds(query_terms(terms)) + postings * seconds(posting())
    assert seconds(inverted_index_search(documents, 100, terms, postings, candidates)) == pytest.approx(parts)


@given(st.integers(1, 10**6), st.integers(1, 1000), st.integers(1, 10**4), st.integers(1, 10**4))
def test_more_candidates_never_cost_less(documents: int, depth: int, few: int, more: int) -> None:
    less, greater = (seconds(query(documents, depth, few + extra)) for extra in (0, more))
    assert less <= greater


def test_the_bound_on_the_best_scores_lets_as_many_through_as_expected() -> None:
    """Counted as `TermSearch` does it, on scores in random order."""
    from harness.retrieval.term_search import _candidates

    generator = np.random.default_rng(0)
    found = [len(_candidates(generator.random(50_000, dtype=np.float32), 500)[0]) for _ in range(20)]
    (keys,) = (o for o in query(50_000, 500).operations if o.name == "keys")
    assert keys.count == pytest.approx(np.mean(found), rel=0.03)


@pytest.mark.parametrize(
    "phase", [inverted_index_search(5000, 100, 5, 4000, 2500), flat_scan(20_000, 384), embedding_bag(12, 256)]
)
@pytest.mark.parametrize("where", [CORE, A100], ids=lambda profile: profile.name)
def test_what_numpy_does_beside_the_work_is_no_part_of_the_bound(phase: Phase, where: Hardware) -> None:
    assert bound_seconds(phase, where) == bound_seconds(without_the_hosts_own(phase), where) > 0
    assert seconds(phase) > 1.1 * seconds(without_the_hosts_own(phase))


@pytest.mark.parametrize(("name", "where"), [("fastertransformer", A100), ("pytorch-cpu", CORE)])
def test_another_program_has_kernels_of_its_own(name: str, where: Hardware) -> None:
    phase = flat_scan(1_000_000, 384)
    with_them, without = (estimate(Placed(p), where, stack(name)) for p in (phase, without_the_hosts_own(phase)))
    assert with_them.calibrated_seconds == without.calibrated_seconds


def test_a_flat_scan_reads_its_index_from_memory_unless_the_cache_holds_it() -> None:
    large = bound_seconds(flat_scan(8_800_000, 768), CORE)
    assert large == pytest.approx(8_800_000 * 768 * 4 / CORE.number("bandwidth_bytes_per_second"), rel=0.01)
    small = bound_seconds(flat_scan(5_000, 384), CORE)
    assert small == pytest.approx(5_000 * 384 * 4 / CORE.number("cache_bandwidth_bytes_per_second"), rel=0.01)


@pytest.mark.parametrize(("documents", "depth"), [(3000, 100), (3000, 2000), (20_000, 10), (20_000, 1000)])
def test_exact_search_scores_as_many_again_as_expected(documents: int, depth: int) -> None:
    generator = np.random.default_rng(0)
    counted = []
    for _ in range(200):
        scores = generator.permutation(documents)
        best, total = np.empty(0, int), 0
        for start in range(0, documents, 4096):
            tile = scores[start : start + 4096]
            kth = best[-depth] if len(best) >= depth else -1
            passing = np.sort(tile[tile > kth])
            passing = passing[-depth:] if len(passing) > 2 * depth else passing
            total += len(passing)
            best = np.sort(np.concatenate([best, passing]))[-depth:]
        counted.append(total)
    assert sum(search_work._expected_to_beat(documents, depth)) == pytest.approx(np.mean(counted), rel=0.05)


def test_a_search_of_scifact_is_predicted_within_its_error() -> None:
    error = NUMPY.error_on(CORE.name, [query(1, 1)])
    assert error is not None
    rows = [row for row in measured_rows("numpy-cpu") if isinstance(row, SearchRow)]
    (measured,) = (r for r in rows if (r.corpus, r.queries, r.depth) == ("beir/scifact", "whole", 100))
    ((placed, _),) = measured.phases(NUMPY)
    assert seconds(placed.phase) == pytest.approx(measured.seconds, rel=error)
