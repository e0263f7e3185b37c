"""A set of ids keeps only hashes, and answers as a set of strings does."""

from hypothesis import given
from hypothesis import strategies as st

from harness.ids import IdSet

IDS = st.lists(st.text(max_size=3), max_size=30)


@given(members=IDS, asked=IDS)
def test_it_answers_as_a_set_of_strings_does(members: list[str], asked: list[str]) -> None:
    found = IdSet.of(members)
    assert len(found) == len(members)
    assert found.unknown(asked) == [id for id in asked if id not in set(members)]
    assert all(id in found for id in members)


@given(members=IDS)
def test_repeated_ids_are_told_by_their_hashes(members: list[str]) -> None:
    expected = {hash(id) for id in members if members.count(id) > 1}
    assert IdSet.of(members).repeated_hashes() == expected


def test_a_set_of_many_takes_eight_bytes_each() -> None:
    count = 100_000
    found = IdSet.of(str(i) for i in range(count))
    assert found._hashes.nbytes == 8 * count
    assert found.unknown(["7", "x", "99999", "100000"]) == ["x", "100000"]
