"""Haystacks are the paper's, to the bit; what is hidden in them can be found by the rules and by no short cut."""

from __future__ import annotations

import hashlib
import json
import uuid as standard
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import registry
from harness.contract import Places, Prompt, Workload
from tasks.needle_threading import FAMILY, questions
from tasks.needle_threading.haystack import BYTES_PER_PAIR, Haystack, spread, uuid
from tasks.needle_threading.questions import Question
from tasks.needle_threading.sizes import PUBLISHED, SMALL
from tasks.needle_threading.task import KINDS

# README of jonathan-roberts1/needle-threading, example 5 of Single_Needle: haystack of repeat 0, needle at 50 %.
PUBLISHED_UUIDS = {
    0: "e3e70682-c209-4cac-629f-6fbed82c07cd",
    1: "f728b4fa-4248-5e3a-0a5d-2f346baa9455",
    24: "247a8333-f7b0-b7d2-cda8-056c3d15eef7",
    25: "1759edc3-72ae-2244-8b01-63c1cd9d2b7d",
    49: "964a870c-7c87-9b74-1d87-8f9f9cdf5a86",
}
DIGESTS = {
    "needle/single/25": "2051626916493a5d31c3d4ca3c8103c619b9179d4f810b1234f91fd930f68ab9",
    "needle/multiple/50": "a4dd04b2b9400abcf8a9529c88ff6c8a6eabcb34d899e82a4a1cda37750032f7",
    "needle/conditional/50": "76645d3e1ae40806626ae4b4977f58fd0c54ba278199b360a91c6289ed960bab",
    "needle/threads/50": "8f64ee27ad932136876ed3b0fb8b58dae969385614927705bc6f075ed9a13f6a",
    "needle/multi-threads/50": "809016c24111880c3548bf005c0831e56bfbdbfe4004dc26428271a7751240a2",
    "needle/branched/50": "73a4693f51c3ecf483256f038dab8156e455c7b490011905b29cabdcb3d8f328",
}
KIND = {kind.name: kind for kind in KINDS}


def asked(kind: str, pairs: int) -> list[tuple[str, list[Question]]]:
    return list(KIND[kind].ask(pairs))


def load(name: str, places: Places) -> Workload:
    return registry.task(name).load(places)


def pairs_of(text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = json.loads(text, object_pairs_hook=list)
    return pairs


# --- The published example ------------------------------------------------------------------------------------------


def test_the_published_example_is_drawn_again() -> None:
    hay = Haystack.drawn(0, 25)
    drawn = [one for pair in zip(hay.keys, hay.values, strict=True) for one in pair]
    assert {index: drawn[index] for index in PUBLISHED_UUIDS} == PUBLISHED_UUIDS
    assert len(hay.text) == 2000, "the README: context_length 2000, num_kv_pairs 25"
    assert hay.text.startswith('{"e3e70682-c209-4cac-629f-6fbed82c07cd": "f728b4fa-4248-5e3a-0a5d-2f346baa9455",')
    assert hay.text.endswith(': "964a870c-7c87-9b74-1d87-8f9f9cdf5a86"}')


def test_the_published_question_is_asked_again(places: Places) -> None:
    workload = load("needle/single/25", places)
    example = workload.examples[5]
    assert isinstance(example.input, Prompt)
    haystack, _, question = example.input.text.partition("\n")
    assert haystack == Haystack.drawn(0, 25).text
    assert question == (
        "Extract the value corresponding to the specified key in the JSON object. "
        'Key: "247a8333-f7b0-b7d2-cda8-056c3d15eef7"\n Corresponding value: '
    )
    assert example.groups["depth"] == "50"
    gold = workload.scorer.gold(example.id)
    assert gold["values"] == ["1759edc3-72ae-2244-8b01-63c1cd9d2b7d"]
    assert gold["haystack_sha256"] == hashlib.sha256(haystack.encode()).hexdigest()


@given(st.integers(0, 2**128 - 1))
def test_uuids_are_written_as_python_does(bits: int) -> None:
    assert uuid(bits) == str(standard.UUID(int=bits))


@pytest.mark.parametrize("name", DIGESTS)
def test_data_never_changes(name: str, places: Places) -> None:
    assert load(name, places).digest == DIGESTS[name], "other data under the same name: make it a new protocol version"


# --- What every task keeps to ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KIND)
@pytest.mark.parametrize("pairs", [25, 50, 200])
def test_haystacks_have_the_size_that_they_say(kind: str, pairs: int) -> None:
    for text, _ in asked(kind, pairs):
        assert len(text.encode()) == pairs * BYTES_PER_PAIR
        assert len(pairs_of(text)) == pairs


SIZED = {name: name.rpartition("/")[2] for task in FAMILY.tasks() for name in [task.card.name]}
SMALL_TASKS = [name for name, size in SIZED.items() if size.isdigit() and int(size) <= 100]
# larger ones are made by the same code


@pytest.mark.parametrize("name", SMALL_TASKS)
def test_every_task_asks_a_hundred_questions_and_gives_nothing_away(name: str, places: Places) -> None:
    workload = load(name, places)
    ids = [example.id for example in workload.examples]
    assert len(ids) == len(set(ids)) >= questions.AT_LEAST
    assert workload.inputs.request.max_output_tokens >= 120
    for example in workload.examples:
        assert isinstance(example.input, Prompt)
        question = example.input.text.partition("\n")[2]
        assert not [value for value in workload.scorer.gold(example.id)["values"] if value in question]


def test_the_family_has_every_size_of_every_kind() -> None:
    names = [task.card.name for task in FAMILY.tasks()]
    assert len(names) == len(set(names)) == len(KINDS) * len(PUBLISHED) + len(SMALL) + 3
    assert all(task.card.generated for task in FAMILY.tasks())
    assert "2,000 bytes, about 1.2k tokens" in registry.task("needle/single/25").card.description
    members = {member for suite in FAMILY.suites() for member in suite.tasks()}
    assert members <= set(names)


def test_only_small_single_needles_run_unasked() -> None:
    unasked = {task.card.name for task in FAMILY.tasks() if not task.card.on_request}
    (small,) = [suite for suite in FAMILY.suites() if suite.name == "needle/small"]
    assert unasked == {*small.members, "needle/threading-small"}
    assert small.sizes == (160, 320, 640, 960, 2000)


def test_suites_of_sizes_know_the_bytes() -> None:
    suite = registry.suite("needle/threads")
    assert len(suite.sizes) == len(suite.members) == 12
    assert (suite.sizes[0], suite.sizes[-1]) == (2000, 1_008_000)


# --- Threads --------------------------------------------------------------------------------------------------------


def follow(pairs: dict[str, str], key: str) -> list[str]:
    path = []
    while key in pairs:
        key = pairs[key]
        path.append(key)
    return path


@pytest.mark.parametrize("pairs", [8, 12, 25, 100, 400])
def test_threads_lead_where_the_answer_says_and_in_their_direction(pairs: int) -> None:
    for text, its_questions in asked("threads", pairs):
        order = {key: position for position, (key, _) in enumerate(pairs_of(text))}
        for question in its_questions:
            (start,), (path,) = question.asked, question.paths
            assert follow(dict(pairs_of(text)), start) == list(path)
            assert len(path) == int(question.groups["length"]) <= pairs // 3
            visited = [order[key] for key in (start, *path[:-1])]
            if question.groups["direction"] != "random":
                assert visited == sorted(visited, reverse=question.groups["direction"] == "backward")


@pytest.mark.parametrize("kind", ["threads", "multi-threads", "branched"])
@pytest.mark.parametrize("pairs", [25, 100])
def test_being_a_key_gives_no_end_away(kind: str, pairs: int) -> None:
    """There are more ends of threads than a question asks for, so each has a decoy."""
    for text, its_questions in asked(kind, pairs):
        pairs_here = pairs_of(text)
        keys, values = {key for key, _ in pairs_here}, {value for _, value in pairs_here}
        ends = {value for key, value in pairs_here if key in values and value not in keys}
        assert all(len(ends) >= 2 * len(question.answers) or len(its_questions) > 1 for question in its_questions)
        assert all(ends > set(question.answers) for question in its_questions)


def test_threads_go_in_every_direction_equally_often() -> None:
    directions = Counter(question.groups["direction"] for _, its in asked("threads", 200) for question in its)
    assert len(directions) == 3
    assert len(set(directions.values())) == 1


def test_a_thread_of_all_pairs_is_never_asked() -> None:
    longest = max(int(question.groups["length"]) for _, its in asked("threads", 25) for question in its)
    assert longest == 8, "the paper has 25 of 25 pairs, where the last value is always right"


def test_branches_all_reach_their_ends() -> None:
    for text, its_questions in asked("branched", 100):
        several: dict[str, list[str]] = {}
        for key, value in pairs_of(text):
            several.setdefault(key, []).append(value)
        for question in its_questions:
            branching, length = int(question.groups["branching"]), int(question.groups["length"])
            level = list(question.asked)
            for _ in range(length):
                assert all(len(several[key]) == branching for key in level)
                level = [value for key in level for value in several[key]]
            assert sorted(level) == sorted(question.answers)
            assert len(level) == branching**length


# --- Needles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [25, 100, 400])
def test_marked_needles_are_those_of_the_marker_and_other_sets_are_marked_too(pairs: int) -> None:
    for text, its_questions in asked("conditional", pairs):
        for question in its_questions:
            (marker,) = {c for c in question.text.partition("the character")[2] if c in questions._MARKERS}
            positions = [at for at, (key, _) in enumerate(pairs_of(text)) if marker in key]
            assert sorted(pairs_of(text)[at][1] for at in positions) == sorted(question.answers)
            clustered = positions[-1] - positions[0] == len(positions) - 1
            assert clustered or question.groups["placement"] == "random"
        assert sum(key.count(c) for key, _ in pairs_of(text) for c in questions._MARKERS) > len(question.answers)


def test_clustered_needles_stand_together_and_are_asked_in_another_order() -> None:
    orders = set()
    for text, its_questions in asked("multiple", 100):
        order = {key: position for position, (key, _) in enumerate(pairs_of(text))}
        for question in its_questions:
            positions = [order[key] for key in question.asked]
            assert [(value,) for _, value in (pairs_of(text)[at] for at in positions)] == list(question.paths)
            if question.groups["placement"] == "clustered":
                assert max(positions) - min(positions) == len(positions) - 1
            orders.add(positions == sorted(positions))
    assert False in orders


@given(st.integers(0, 10**6), st.lists(st.integers(1, 6), max_size=4), st.integers(0, 30))
def test_clusters_never_overlap(seed: int, clusters: list[int], others: int) -> None:
    pairs = sum(clusters) + others
    runs, free = spread(Random(seed), pairs, clusters)
    assert [len(run) for run in runs] == clusters
    assert sorted([*free, *(position for run in runs for position in run)]) == list(range(pairs))
