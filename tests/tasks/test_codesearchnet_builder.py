"""Pairs are made of Python sources by CodeSearchNet's rules, and near duplicates are found."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import Places
from tasks.codesearchnet import FAMILY
from tasks.codesearchnet.builder import Skipped, distinct, pairs, without_near_duplicates
from tasks.codesearchnet.near_duplicates import near_duplicates, originals

LONG = '''
def {name}(path, encoding, limit):
    """{doc}"""
    # {name} leaves a comment
    with open(path, encoding=encoding) as file:
        text = file.read(limit).strip()
    return text.splitlines({more})
'''


def made(folder: Path, *sources: str) -> list[str]:
    folder.joinpath("module.py").write_text("\n".join(sources), encoding="utf-8")
    return [pair.func_name for pair in without_near_duplicates(distinct(pairs(folder, "mine")))]


def function(name: str = "read_lines", doc: str = "Give all lines.", more: str = "") -> str:
    return LONG.format(name=name, doc=doc, more=more)


def test_a_documented_function_becomes_a_record(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("x = 1\n@cached\n" + function().lstrip())
    (pair,) = pairs(tmp_path, "mine")
    assert pair.url == "mine/module.py#L2-L8"
    assert pair.code.startswith("def read_lines") and pair.original_string.startswith("@cached")
    assert pair.docstring_tokens == ["Give", "all", "lines", "."]
    assert pair.code_tokens[:4] == ["def", "read_lines", "(", "path"]
    assert "Give" not in " ".join(pair.code_tokens) and "comment" not in " ".join(pair.code_tokens)


def test_what_codesearchnet_leaves_out_is_left_out(tmp_path: Path) -> None:
    short = 'def short(): """Has one line only."""; return 1\n'
    empty = 'def nothing(path, encoding, limit, more):\n    """Does not do a thing."""\n\n'
    few = 'def few(value):\n    """Too few names in here."""\n    return value\n'
    assert made(tmp_path, short, empty, few) == []
    assert made(tmp_path, function("__enter__"), function("test_it"), function(doc="Too short")) == []
    assert made(tmp_path, function(doc="Größe der Datei.")) == []
    assert made(tmp_path, function()) == ["read_lines"]


def test_tests_are_no_code_to_search(tmp_path: Path) -> None:
    for name in ("conftest.py", "_testing/kit.py", "tests/case.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(function())
    assert list(pairs(tmp_path, "mine")) == []


def test_repeats_and_near_duplicates_go_and_the_first_stays(tmp_path: Path) -> None:
    same_code = function(doc="Other words for it.")
    same_words = function("other", more="keep, these, quite, different, names, please, now, again")
    nearly = function("nearly", doc="Gives what is nearly it.", more="limit")
    assert made(tmp_path, function(), same_code, same_words, nearly) == ["read_lines"]


def test_a_form_feed_is_no_line(tmp_path: Path) -> None:
    """`str.splitlines` counts it as one, Python does not."""
    (tmp_path / "module.py").write_text("\f\nx = 1\n\f\n" + function().lstrip())
    (pair,) = pairs(tmp_path, "mine")
    assert pair.code.startswith("def read_lines")


def test_files_that_are_no_python_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "b.py").write_text("def f(:\n")
    (tmp_path / "c.py").write_text(function())
    skipped = Skipped()
    assert len(list(pairs(tmp_path, "mine", skipped=skipped))) == 1
    assert skipped.unreadable == 2 and "a.py" in skipped.first


def test_a_set_of_your_own_is_made_and_opened(tmp_path: Path, places: Places) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    (package / "module.py").write_text(function())
    command = [sys.executable, "-m", "tasks.codesearchnet.builder", str(package)]
    (tmp_path / "own.jsonl").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    assert msgspec.json.decode((tmp_path / "own.jsonl").read_bytes())["repo"] == "mine"
    (example,) = FAMILY.open(tmp_path / "own.jsonl").load(places).examples
    assert example.input == "Give all lines ."


# --- Near duplicates ------------------------------------------------------------------------------------------------

bags = st.lists(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3), min_size=1).map(lambda counts: Counter(counts)),
    max_size=12,
)


@given(bags)
def test_no_near_duplicate_is_missed(found: list[Counter[str]]) -> None:
    def near(one: Counter[str], other: Counter[str]) -> bool:
        sets = 10 * len(one.keys() & other.keys()) >= 8 * len(one.keys() | other.keys())
        return sets and 10 * (one & other).total() >= 7 * (one | other).total()

    expected = {pair for pair in combinations(range(len(found)), 2) if near(found[pair[0]], found[pair[1]])}
    assert {tuple(sorted(pair)) for pair in near_duplicates(found)} == expected
    stay = originals(found)
    assert stay == sorted(set(stay))
    assert not any(one in stay and other in stay for one, other in expected)


def test_likeness_is_taken_for_transitive() -> None:
    first, second, third = Counter("abcdefghij"), Counter("abcdefghik"), Counter("abcdefghlk")
    assert originals([first, third]) == [0, 1]
    assert originals([first, second, third]) == [0]
