"""YAML from strangers: plain data with line numbers, and a place and a hint for everything else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SubmissionError
from harness.yamlfile import YamlFile, read_yaml


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


def _read(folder: Path, content: str | bytes) -> YamlFile:
    path = folder / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


def _error(folder: Path, content: str | bytes) -> str:
    with pytest.raises(SubmissionError) as caught:
        _read(folder, content)
    message = caught.value.message
    assert message.startswith(f"{folder / 'x.yaml'}:")
    assert "\n" not in message
    return message.removeprefix(f"{folder / 'x.yaml'}:")


def test_every_value_has_its_line(folder: Path) -> None:
    file = _read(folder, "# a comment\nname: x\nmodel:\n  kind: y\n  list:\n  - 1\n\n  - a: 2\n")
    assert file.data == {"name": "x", "model": {"kind": "y", "list": [1, {"a": 2}]}}
    assert file.lines == {
        (): 2,
        ("name",): 2,
        ("model",): 3,
        ("model", "kind"): 4,
        ("model", "list"): 5,
        ("model", "list", 0): 6,
        ("model", "list", 1): 8,
        ("model", "list", 1, "a"): 8,
    }
    assert file.nearest(("model", "list", 1, "missing", 3)) == ("model", "list", 1)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("2024-01-31", "2024-01-31"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("1.2.3", "1.2.3"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("=x", "=x"),
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("+5", 5),
        ("True", True),
        ("false", False),
        ("~", None),
        ("", None),
        ("null", None),
    ],
)
def test_scalars_follow_yaml_1_2(folder: Path, written: str, value: Any) -> None:
    found = _read(folder, f"a: {written}\n").data["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("a: &x [1]\nb: [*x, *x]\n", "1:4", "anchors"),
        ("b: *x\n", "1:4", "aliases"),
        ("a: 1\n<<: {b: 1}\n", "2:1", "merge keys"),
        ("a: !!python/object/apply:os.system [ls]\n", "1:4", "tags are not allowed"),
        ("a: !include /etc/passwd\n", "1:4", "tags are not allowed"),
        ("! a: 1\n", "1:1", "tags are not allowed"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "4:3", "key 'c' again, first in line 3"),
        ("a: 1\n---\nb: 2\n", "2:1", "one file holds one submission"),
        ("1: x\n", "1:1", "expected a key that is text"),
        ("a:\n  true: x\n", "2:3", "expected a key that is text"),
        ("? [a, b]\n: x\n", "1:3", "expected a key that is text"),
        ("a:\n\tb: 1\n", "2:1", "indent with spaces"),
        ("description: BM25: fast\n", "1:18", "quote text"),
        ("a: 'x\nb: 1\n", "3:1", "from line 1"),
        ("a: [1, 2\n", "2:1", "from line 1"),
        ("a: .inf\n", "1:4", "finite"),
        ("a: 1e999\n", "1:4", "finite"),
        ("a: " + "9" * 5000, "1:4", "integer of more than"),
        ('a: "\\0"\n', "1:4", "U+0000"),
        ('a: "\\ud800"\n', "1:4", "U+D800"),
        ('a: "\\UFFFFFFFF"\n', "1:", "character that does not exist"),
        ("", "1:1", "found nothing"),
        ("# only a comment\n", "1:1", "found nothing"),
        ("- a\n- b\n", "1:1", "found a list"),
        ("\nhello\n", "2:1", "found 'hello'"),
        (b"a: 1\nb: x\0y\n", "2:5", "U+0000 is not allowed"),
        ("a: 1\nb: caf\xe9\n".encode("latin-1"), "2:7", "byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), "1:1", "save the file as UTF-8"),
        (b"\x1f\x8b\x08\x00garbage", "1:2", "save the file as UTF-8"),
    ],
)
def test_anything_else_is_refused_with_its_place(folder: Path, content: str | bytes, place: str, words: str) -> None:
    message = _error(folder, content)
    assert message.startswith(place)
    assert words in message


def test_json_is_yaml(folder: Path) -> None:
    data = {"name": "👩‍🔬 \u2028 é", "model": {"kind": "x", "list": [1, 2.5, None, True]}}
    assert _read(folder, json.dumps(data)).data == data


def test_a_bomb_of_aliases_is_refused_before_it_goes_off(folder: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))
    assert _error(folder, bomb).startswith("1:5: anchors and aliases")


def test_a_file_may_have_256_kib_and_no_more(folder: Path) -> None:
    limit = 256 * 1024
    start = b"a: 1\n#"
    assert _read(folder, start + b"x" * (limit - len(start))).data == {"a": 1}
    assert "too large" in _error(folder, start + b"x" * (limit - len(start) + 1))
    assert "too large" in _error(folder, b"a: " + b"x" * 10_000_000)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_values_may_be_nested_20_deep_and_no_more(folder: Path, opening: str, closing: str) -> None:
    assert "a" in _read(folder, "a: " + opening * 19 + closing * 19).data
    assert "nested deeper than 20 levels" in _error(folder, "a: " + opening * 20 + closing * 20)
    assert "nested deeper than 20 levels" in _error(folder, "a: " + opening * 60_000)


def test_windows_files_are_read_like_others(folder: Path) -> None:
    file = _read(folder, "\ufeffname: x\r\nmodel:\r\n  kind: y\r\n")
    assert file.data == {"name": "x", "model": {"kind": "y"}}
    assert file.lines["model", "kind"] == 3


def test_a_file_that_cannot_be_read_says_why(folder: Path) -> None:
    with pytest.raises(SubmissionError, match=r"missing\.yaml: No such file"):
        read_yaml(folder / "missing.yaml")
    with pytest.raises(SubmissionError, match="Is a directory"):
        read_yaml(folder)


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
_DATA = st.dictionaries(
    _TEXT.filter(lambda key: key != "<<"),
    st.recursive(_SCALARS | _TEXT, lambda inner: st.lists(inner) | st.dictionaries(st.just("k"), inner), max_leaves=8),
    max_size=5,
)


@settings(deadline=None)
@given(data=_DATA, flow=st.booleans())
def test_plain_data_comes_back_as_it_was_written(folder: Path, data: dict[str, Any], flow: bool) -> None:
    # Text in quotes, because a YAML 1.1 writer leaves bare some text that is a number in YAML 1.2.
    written = yaml.dump(data, Dumper=_QuotingDumper, default_flow_style=flow, allow_unicode=True)
    assert _read(folder, written).data == data


class _QuotingDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@settings(deadline=None)
@given(content=st.binary(max_size=60) | st.text("ab:-[]{}&*!|>'\"%@`#?,\n\t 01.\\", max_size=60))
def test_no_content_at_all_ends_in_anything_but_data_or_an_error_with_its_place(
    folder: Path, content: str | bytes
) -> None:
    try:
        file = _read(folder, content)
    except SubmissionError as error:
        assert re.match(r"\d+:\d+: .+; .+", error.message.removeprefix(f"{folder / 'x.yaml'}:"))
    else:
        assert file.lines.keys() >= {(key,) for key in file.data}
