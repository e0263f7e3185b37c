"""ListOps: the law of the generator, the values, the rungs, and the original data."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import ByteSequence, Labelled, Places
from tasks.lra.evaluator import Operation, parse, value
from tasks.lra.listops import LRA, Law, draw
from tasks.lra.listops_tasks import LISTOPS_SMALL, SMALL, Groups, rungs

DRAWN = list(draw(LRA, 2000, seed=7))


def levels(tree: object) -> int:
    return 1 + max(map(levels, tree.arguments)) if isinstance(tree, Operation) else 0


def operations(tree: object) -> list[Operation]:
    if not isinstance(tree, Operation):
        return []
    return [tree, *(inner for argument in tree.arguments for inner in operations(argument))]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (b"7", 7),
        (b"M29m470]", None),
        (b"M29m47]0]", 9),
        (b"m29m47]5]", 2),
        (b"d14]", 2),
        (b"d149]", 4),
        (b"s58]", 3),
        (b"f38]", 3),
        (b"l38]", 8),
        (b"sM29m47]0]d12]5]", 5),
    ],
)
def test_known_values(expression: bytes, expected: int | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="1 operations are not closed"):
            parse(expression)
    else:
        assert value(parse(expression)) == expected


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [(b"", "0 operations"), (b"m]", "no arguments"), (b"12", "symbol 2"), (b"]", "symbol 1"), (b"m1x]", "'x'")],
)
def test_what_is_no_expression_is_refused(expression: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(expression)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 5), st.integers(2, 10))
def test_every_law_is_kept_and_the_values_are_right(seed: int, depth: int, arguments: int) -> None:
    law = Law(depth, arguments, longer_than=3, shorter_than=60)
    drawn = list(draw(law, 40, seed))
    assert len({expression for expression, _ in drawn}) == 40
    for expression, number in drawn:
        tree = parse(expression)
        assert value(tree) == number
        assert 3 < len(expression) < 60
        assert levels(tree) < depth
        assert all(2 <= len(operation.arguments) <= arguments for operation in operations(tree))


def test_the_law_is_that_of_the_upstream_generator() -> None:
    """Measured of upstream's own generator on 10,000 rows: mean length 1044, median 969, 6.87 arguments of the root."""
    lengths = sorted(len(expression) for expression, _ in DRAWN)
    assert (lengths[0] > 500, lengths[-1] < 2000) == (True, True)
    assert sum(lengths) / len(lengths) == pytest.approx(1044, abs=40)
    assert lengths[len(lengths) // 2] == pytest.approx(969, abs=50)
    trees = [parse(expression) for expression, _ in DRAWN[:500]]
    roots = [tree for tree in trees if isinstance(tree, Operation)]
    assert sum(len(root.arguments) for root in roots) / len(roots) == pytest.approx(6.87, abs=0.3)
    assert max(map(levels, trees)) == 9
    inner = [operation for tree in trees for operation in operations(tree)]
    counts = Counter(operation.operator for operation in inner)
    assert all(counts[operator] / len(inner) == pytest.approx(0.25, abs=0.01) for operator in "mMds")


def test_a_seed_draws_the_same_again() -> None:
    assert list(draw(LRA, 20, seed=7)) == DRAWN[:20]
    assert list(draw(LRA, 20, seed=8)) != DRAWN[:20]


def test_floors_and_rungs_are_those_of_the_law() -> None:
    """Measured on 10,000 rows of upstream's law; the rungs of depths 3 and 4 are .836 and .903."""
    drawn = list(draw(LRA, 10_000, seed=0))
    counts = Counter(number for _, number in drawn)
    assert max(counts.values()) / 10_000 == pytest.approx(0.172, abs=0.02)
    by_root: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for expression, number in drawn:
        by_root[expression[0]][number] += 1
    best = {chr(root): counter.most_common(1)[0] for root, counter in by_root.items()}
    assert sum(right for _, right in best.values()) / 10_000 == pytest.approx(0.363, abs=0.02)
    test = [Labelled(str(i), ByteSequence(e), str(v)) for i, (e, v) in enumerate(drawn)]
    found = {line.name: line.value for line in rungs({root: str(value) for root, (value, _) in best.items()}, test)}
    published = {1: 0.589, 2: 0.734, 3: 0.836, 4: 0.903}
    assert found == pytest.approx({f"exact to depth {d}": share for d, share in published.items()}, abs=0.02)


def test_a_rung_that_sees_everything_is_none() -> None:
    drawn = list(draw(SMALL, 300, seed=1))
    test = [Labelled(str(i), ByteSequence(e), str(v)) for i, (e, v) in enumerate(drawn)]
    assert [line.name for line in rungs(dict.fromkeys("mMds", "4"), test)] == ["exact to depth 1"]


def test_groups_of_an_expression() -> None:
    assert Groups(10)(b"M29m47]0]d1") == {"root": "MAX", "levels": "2", "length": "10-19"}


def test_the_small_task_is_the_same_everywhere_and_made_once(places: Places) -> None:
    workload = LISTOPS_SMALL.load(places)
    assert workload.facts == {"train": 20_000, "validation": 2_000, "test": 2_000, "longest": 33}
    made = sorted((places.cache / "lra" / "listops-small").iterdir())
    first = {path: path.stat().st_mtime_ns for path in made}
    again = LISTOPS_SMALL.load(places)
    assert (again.digest, again.examples) == (workload.digest, workload.examples)
    assert {path: path.stat().st_mtime_ns for path in made} == first
    made[0].write_bytes(b"broken")
    assert LISTOPS_SMALL.load(places).digest == workload.digest, "a broken file of the cache is made again"
