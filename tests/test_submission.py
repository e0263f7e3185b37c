"""A submission file: what it may say, what is said of a wrong one, and what its digest depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SubmissionError
from harness.submission import Submission, load, load_all
from harness.submission_schema import to_json_schema

_KINDS = '''
import hashlib
from typing import ClassVar, Literal
from pydantic import BaseModel, ConfigDict
from harness.config import LocalPath, ModelConfig, in_field
from harness.errors import SubmissionError

class Stage(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = 100

class Settings(ModelConfig):
    k1: float = 0.9
    """Saturation."""
    steps: int = 3
    stemmer: Literal["porter", "none"] = "porter"
    lower: bool = True
    prefix: str = ""
    stages: list[Stage] = []
    options: dict[str, int] = {}
    weights: LocalPath | None = None
    """Weights beside the file."""

    def artifacts(self):
        if self.weights is None:
            return {}
        try:
            return {"weights": hashlib.sha256(self.weights.read_bytes()).hexdigest()}
        except OSError as error:
            raise SubmissionError(f"cannot read {self.weights}", hint="Check `weights`.") from error

class Toy:
    """A toy kind.

    Only for tests.
    """
    kind, version, runs_code, Config = "toy", "1", False, Settings
    offers = frozenset({"ranking"})

    def __init__(self, config, seed):
        self.config, self.seed, self.batch_size = config, seed, config.batch_size or 7

class Strict(Toy):
    """A kind with a setting that must be given."""
    kind, runs_code = "toy-code", True

    class Config(ModelConfig):
        path: LocalPath
        parts: list[LocalPath] = []

        def artifacts(self):
            for place, part in enumerate(self.parts):
                with in_field("parts"), in_field(place):
                    if not part.exists():
                        raise SubmissionError(f"there is no {part.name}")
            return {}
'''


@pytest.fixture(autouse=True, scope="module")
def _kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two model kinds of a third party, registered as an installed distribution registers them."""
    site = tmp_path_factory.mktemp("site")
    info = site / "toy_kinds-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: toy-kinds\nVersion: 1.0\n")
    entries = "[equal_footing.models]\ntoy = toy_kinds:Toy\ntoy-code = toy_kinds:Strict\n"
    info.joinpath("entry_points.txt").write_text(entries)
    site.joinpath("toy_kinds.py").write_text(_KINDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("submissions")
    folder.joinpath("w.bin").write_bytes(b"weights")
    return folder


def _load(folder: Path, content: str) -> Submission:
    path = folder / "x.yaml"
    path.write_text(content, encoding="utf-8")
    return load(path)


def _errors(folder: Path, content: str) -> list[str]:
    with pytest.raises(SubmissionError) as caught:
        _load(folder, content)
    lines = caught.value.message.split("\n")
    assert all(line.startswith(f"{folder / 'x.yaml'}:") for line in lines)
    return [line.removeprefix(f"{folder / 'x.yaml'}:") for line in lines]


def test_a_valid_file_with_everything(folder: Path) -> None:
    submission = _load(
        folder,
        """\
name: toy
description: >
  A toy.
url: https://example.org/toy?a=1
licence: Apache-2.0
model:
  kind: toy
  k1: 1
  weights: ./w.bin
""",
    )
    assert (submission.name, submission.description, submission.licence) == ("toy", "A toy.", "Apache-2.0")
    assert submission.url == "https://example.org/toy?a=1"
    assert (submission.kind, submission.runs_code) == ("toy", False)
    assert (submission.path, submission.folder) == (folder / "x.yaml", folder)
    assert submission.config.model_dump()["weights"] == folder / "w.bin"
    assert submission.artifacts == {"weights": hashlib.sha256(b"weights").hexdigest()}
    model = submission.normalised["model"]
    assert model["kind"] == "toy"
    assert model["weights"] == "./w.bin", "as written, so that the digest is the same on every machine"
    assert (model["k1"], model["steps"]) == (1.0, 3), "defaults are filled in"
    assert json.loads(json.dumps(submission.normalised)) == submission.normalised


def test_the_settings_travel_as_json_and_come_back_the_same(folder: Path) -> None:
    submission = _load(folder, "name: t\nmodel: {kind: toy, k1: 2, weights: w.bin, stages: [{depth: 5}]}\n")
    again = type(submission.config).model_validate_json(submission.config_json, context={"folder": folder})
    assert again == submission.config
    assert submission.model(seed=3).batch_size == 7


def test_code_is_declared_by_the_kind(folder: Path) -> None:
    assert _load(folder, "name: t\nmodel: {kind: toy-code, path: m.py}\n").runs_code


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "=1+1", "@x", "模型 7B", "👩‍🔬 lab", "no", "a" * 100, "it's; DROP TABLE", "%s{0}"],
)
def test_a_name_is_any_text_that_can_be_shown(folder: Path, name: str) -> None:
    assert _load(folder, f"name: {json.dumps(name)}\nmodel: {{kind: toy}}\n").name == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ('"a\\e[31m"', "U+001B cannot be shown, found 'a\\x1b[31m'"),
        ('"a\\nb"', "U+000A cannot be shown"),
        ('"a\\u202eb"', "U+202E cannot be shown"),
        ('"a\\Lb"', "U+2028 cannot be shown"),
        ('" a"', "no space at the start or the end"),
        ('""', "at least 1 character"),
        ("a" * 101, "at most 100 characters"),
        ("12", "expected text, found 12; put it in quotes"),
        ("1.5", "expected text, found 1.5; put it in quotes"),
        ("", "expected text, found nothing"),
        ("[a]", "expected text, found a list"),
    ],
)
def test_a_name_that_is_none_is_refused(folder: Path, name: str, words: str) -> None:
    (error,) = _errors(folder, f"# about\nname: {name}\nmodel: {{kind: toy}}\n")
    assert error.startswith("2: name: ")
    assert words in error


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://x.org", "data:text/html,x", "x.org", "https://", "'https://x.org/a b'", "http://["],
)
def test_a_url_is_a_web_address(folder: Path, url: str) -> None:
    (error,) = _errors(folder, f"name: t\nurl: {url}\nmodel: {{kind: toy}}\n")
    assert error.startswith("2: url: ")


def test_all_errors_are_told_at_once_each_with_its_line(folder: Path) -> None:
    errors = _errors(
        folder,
        """\
nmae: toy
model:
  kind: toy
  k1: "0.9"
  steps: 2.5
  stemer: none
  stemmer: potter
  lower: yes
  prefix: 5
  batch_size: 0
  stages:
    - depth: 10
    - dept: 10
  options: {a: x}
  frobnicate: 1
""",
    )
    assert errors[:-1] == [
        "1: name: missing",
        "1: nmae: unknown key; did you mean 'name'?",
        "4: model.k1: expected a number, found '0.9'; write it without quotes",
        "5: model.steps: expected an integer, found 2.5",
        "6: model.stemer: unknown key; did you mean 'stemmer'?",
        "7: model.stemmer: expected 'porter' or 'none', found 'potter'",
        "8: model.lower: expected true or false, found 'yes'",
        "9: model.prefix: expected text, found 5; put it in quotes",
        "10: model.batch_size: expected a value greater than or equal to 1, found 0",
        "13: model.stages.1.dept: unknown key; did you mean 'depth'?",
        "14: model.options.a: expected an integer, found 'x'",
    ]
    assert errors[-1].startswith("15: model.frobnicate: unknown key; known keys: batch_size, k1, ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: t\n", "1: model: missing"),
        ("name: t\nmodel:\n", "2: model: expected indented keys and values below it, found nothing"),
        ("name: t\nmodel: toy\n", "2: model: expected indented keys and values below it, found 'toy'"),
        ("name: t\nmodel:\n  kind: toy-code\n", "2: model.path: missing"),
        ("name: t\nmodel:\n  kind: tyo\n", "3: model.kind: there is no model 'tyo'; did you mean 'toy'?"),
        ("name: t\nmodel:\n  kind: toy\n  weights: gone\n", "2: model: cannot read "),
        (
            "name: t\nmodel:\n  kind: toy-code\n  path: x\n  parts:\n  - w.bin\n  - gone\n",
            "7: model.parts.1: there is no gone",
        ),
        ("name: t\nmodel:\n  kind: dense\n  model: ./gone\n", "4: model.model: "),
        ("name: t\nmodel: {\n  kind: replay,\n  path: gone }\n", "4: model.path: there is no file "),
        (
            "name: t\nmodel:\n  kind: python\n  offers: [ranking]\n  path: gone.py:Model\n",
            "5: model.path: cannot read ",
        ),
        ('name: t\nmodel:\n  kind: toy\n  "a\\e[1mb": 1\n', "4: model.'a\\x1b[1mb': unknown key"),
    ],
)
def test_an_error_names_the_line_and_the_field(folder: Path, content: str, expected: str) -> None:
    (error,) = _errors(folder, content)
    assert error.startswith(expected)


@pytest.mark.parametrize("model", ["{k1: 1}", "{}", "{kind: 5}", "{kind: [toy]}"])
def test_a_missing_kind_lists_those_there_are(folder: Path, model: str) -> None:
    (error,) = _errors(folder, f"name: t\nmodel: {model}\n")
    assert error.startswith("2: model.kind: ")
    assert "toy, toy-code" in error


def test_a_missing_file_suggests_the_nearest(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = tmp_path / "submissions"
    shipped.mkdir()
    (shipped / "bm25.yaml").touch()
    (tmp_path / "mine.yml").touch()
    monkeypatch.chdir(tmp_path)
    for typed, meant in [
        ("bm25", "submissions/bm25.yaml"),
        ("mnie.yml", "mine.yml"),
        ("gone/bm25.yaml", "submissions"),
    ]:
        with pytest.raises(SubmissionError, match="there is no file") as caught:
            load(Path(typed))
        assert f"Did you mean {meant}" in caught.value.hint
    with pytest.raises(SubmissionError, match="submissions is a folder"):
        load(Path("submissions"))


# --- The digest ---------------------------------------------------------------------------------------------------

_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "k1": st.floats(0, 10) | st.integers(0, 10),
        "steps": st.integers(-5, 5),
        "stemmer": st.sampled_from(["porter", "none"]),
        "lower": st.booleans(),
        "prefix": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x000123456789"), max_size=8),
        "options": st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
    },
)
_DEFAULTS: dict[str, Any] = {
    "batch_size": None,
    "k1": 0.9,
    "steps": 3,
    "stemmer": "porter",
    "lower": True,
    "prefix": "",
    "stages": [],
    "options": {},
    "weights": None,
}


def _digest(folder: Path, settings: dict[str, Any], before: str = "", **fields: str) -> str:
    # JSON is YAML, and keeps the order of keys.
    return _load(folder, before + json.dumps({"name": "t", **fields, "model": {"kind": "toy", **settings}})).digest


@settings(max_examples=30, deadline=None)
@given(written=_SETTINGS, data=st.data())
def test_the_digest_does_not_depend_on_how_a_file_is_written(
    folder: Path, written: dict[str, Any], data: st.DataObject
) -> None:
    digest = _digest(folder, written)
    assert digest == _digest(folder, dict(data.draw(st.permutations(list(written.items()))))), "key order"
    assert digest == _digest(folder, {**_DEFAULTS, **written}), "explicit defaults"
    assert digest == _digest(folder, written, before="# a comment\n\n"), "comments"
    other = {"url": "https://x.org", "licence": "MIT", "description": "other"}
    assert digest == _digest(folder, written, **other), "what is said about the model"
    block = yaml.safe_dump({"model": {"kind": "toy", **written}, "name": "t"}, default_flow_style=False)
    assert digest == _load(folder, block).digest, "block style"


@settings(max_examples=50, deadline=None)
@given(one=_SETTINGS, two=_SETTINGS)
def test_the_digest_is_the_same_only_for_the_same_settings(
    folder: Path, one: dict[str, Any], two: dict[str, Any]
) -> None:
    assert (_digest(folder, one) == _digest(folder, two)) == (_DEFAULTS | one == _DEFAULTS | two)


def test_the_digest_depends_on_name_version_and_content_of_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [_digest(folder, {"weights": "w.bin"}), _digest(folder, {"weights": "w.bin"}, name="u")]
    (tmp_path / "w.bin").write_bytes(b"other weights")
    digests.append(_digest(tmp_path, {"weights": "w.bin"}))
    (tmp_path / "w.bin").write_bytes(b"weights")
    assert _digest(tmp_path, {"weights": "w.bin"}) == digests[0], "the same file in another folder"
    monkeypatch.setattr("toy_kinds.Toy.version", "2")
    digests.append(_digest(folder, {"weights": "w.bin"}))
    assert len(set(digests)) == 4


def test_the_digest_is_pinned(folder: Path) -> None:
    identity = {
        "artifacts": {},
        "config": {**_DEFAULTS, "prefix": "é"},
        "kind": "toy",
        "name": "t",
        "version": "1",
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert _digest(folder, {"prefix": "é"}) == hashlib.sha256(canonical.encode()).hexdigest()


# --- Stages -------------------------------------------------------------------------------------------------------


def test_stages_are_the_model_of_a_submission(folder: Path) -> None:
    submission = _load(
        folder,
        """\
name: two
stages:
  - kind: bm25
    k1: 1
  - kind: toy-code
    path: m.py
    batch_size: 3
  - kind: fuse
""",
    )
    assert (submission.kind, submission.runs_code, submission.observes_cost) == ("pipeline", True, True)
    kinds = [stage["kind"] for stage in submission.normalised["stages"]]
    assert kinds == ["bm25", "toy-code", "fuse"]
    assert submission.normalised["stages"][0]["k1"] == 1.0
    assert submission.normalised["stages"][2]["k"] == 60, "defaults are filled in"
    assert submission.normalised["stages"][1]["path"] == "m.py", "as written"
    assert submission.settings == {"stages": submission.normalised["stages"]}
    assert submission.model().batch_size == 3
    assert submission.model().offers == {"ranking"}
    kind = type(submission.config)
    again = kind.model_validate_json(submission.config_json, context={"folder": folder})
    assert again == submission.config, "as the worker reads it"


def test_artifacts_of_stages_are_told_apart(folder: Path) -> None:
    toys = "  - {kind: toy, weights: w.bin}\n" * 2
    submission = _load(folder, f"name: t\nstages:\n{toys}  - {{kind: fuse}}\n")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert submission.artifacts == {"toy/weights": digest, "toy 2/weights": digest}


def test_answers_made_elsewhere_hide_the_cost_of_all_stages(folder: Path) -> None:
    folder.joinpath("run.trec").write_text("q Q0 d 1 1.0 mine\n")
    submission = _load(
        folder, "name: t\nstages:\n  - {kind: bm25}\n  - {kind: replay, path: run.trec}\n  - kind: fuse\n"
    )
    assert not submission.observes_cost


def test_errors_of_stages_have_their_lines_and_the_hints_of_their_kinds(folder: Path) -> None:
    errors = _errors(
        folder,
        """\
name: t
stages:
  - kind: bm25
    k3: 1
  - kind: toy
    k3: 1
  - kind: fus
  - toy
  - {}
  - kind: fuse
    method: product
""",
    )
    assert errors == [
        "4: stages.0.k3: unknown key; did you mean 'k1'?",
        "6: stages.1.k3: unknown key; did you mean 'k1'?",
        "7: stages.2.kind: there is no model 'fus'; did you mean 'fuse'?",
        "8: stages.3: expected indented keys and values below it, found 'toy'",
        *[error for error in errors if error.startswith("9: stages.4.kind: missing; one of ")],
        "11: stages.5.method: expected 'reciprocal_rank' or 'weighted_sum', found 'product'",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("stages:\n", "2: stages: expected a list, found nothing"),
        ("stages: bm25\n", "2: stages: expected a list, found 'bm25'"),
        ("stages: []\n", "2: stages: expected at least one item, found a list"),
        ("stages:\n" + "  - {kind: toy}\n" * 20 + "  - {kind: fuse}\n", "2: stages: expected at most 20 items"),
        ("stages:\n  - kind: toy\n  - kind: toy\n", "4: stages.1: 2 rankings are left in the end"),
        ("stages:\n  - kind: fuse\n", "3: stages.0: `fuse` reworks rankings, and no stage above it makes one"),
        ("stages:\n  - kind: pipeline\n    stages: []\n", "3: stages.0.kind: `pipeline` is not written as a kind"),
        ("model: {kind: toy}\nstages:\n  - kind: toy\n", "3: stages: the file has a `model` too; keep one of the two"),
        ("model:\n  kind: fuse\n", "3: model.kind: `fuse` reworks rankings; put it into `stages:`"),
        ("model:\n  kind: pipeline\n  stages: [{kind: toy}]\n", "3: model.kind: `pipeline` is not written as a kind"),
        ("model:\n  kind: late_interaction\n  model: a/b\n  first: 9\n", "5: model.first: there is no stage above"),
        ("stages:\n  - kind: toy\n    weights: gone\n", "3: stages.0: cannot read "),
        ("stages:\n  - kind: dense\n    model: ./gone\n", "4: stages.0.model: "),
    ],
)
def test_what_stages_cannot_be_is_an_error_in_its_line(folder: Path, content: str, expected: str) -> None:
    (error,) = _errors(folder, f"name: t\n{content}")
    assert error.startswith(expected)


def test_the_digest_of_stages_depends_on_their_order_settings_versions_and_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest(*stages: str, at: Path = folder, name: str = "t") -> str:
        lines = "".join(f"  - {{{stage}}}\n" for stage in stages)
        return _load(at, f"name: {name}\nstages:\n{lines}").digest

    toy, weighted, fuse = "kind: toy", "kind: toy, weights: w.bin", "kind: fuse"
    known = [
        digest(toy, weighted, fuse),
        digest(weighted, toy, fuse),
        digest(toy, weighted, "kind: fuse, k: 61"),
        digest(toy, weighted, fuse, name="u"),
    ]
    (tmp_path / "w.bin").write_bytes(b"other")
    known.append(digest(toy, weighted, fuse, at=tmp_path))
    assert digest(toy, weighted, "kind: fuse, k: 60") == known[0], "spelling out a default"
    monkeypatch.setattr("toy_kinds.Toy.version", "2")
    known.append(digest(toy, weighted, fuse))
    monkeypatch.setattr("harness.models.pipeline.Pipeline.version", "2")
    known.append(digest(toy, weighted, fuse))
    assert len(set(known)) == len(known)


# --- The JSON Schema ----------------------------------------------------------------------------------------------


def test_the_json_schema_agrees_with_the_check(folder: Path) -> None:
    schema = to_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for content, valid in [
        ("name: t\nmodel: {kind: toy}\n", True),
        ("name: t\nurl: https://x.org\nmodel: {kind: toy, k1: 1, stages: [{depth: 1}]}\n", True),
        ("name: t\nmodel: {kind: toy-code, path: x.py}\n", True),
        ("name: t\nmodel: {kind: toy-code}\n", False),
        ("name: t\nmodel: {kind: toy-code, path: x.py, k1: 1}\n", False),
        ("name: t\nmodel: {kind: unknown}\n", False),
        ("name: t\nmodel: {}\n", False),
        ("name: t\nmodel: {kind: toy, stages: [{dept: 1}]}\n", False),
        ("name: t\nmodel: {kind: toy, k1: high}\n", False),
        ("name: t\nurl: ftp://x.org\nmodel: {kind: toy}\n", False),
        ("name: t\nextra: 1\nmodel: {kind: toy}\n", False),
        ("name: t\nstages: [{kind: toy}]\n", True),
        ("name: t\nstages: [{kind: toy, k1: 1}, {kind: bm25}, {kind: fuse, k: 5}]\n", True),
        ("name: t\nstages: [{kind: toy}]\nmodel: {kind: toy}\n", False),
        ("name: t\nstages: []\n", False),
        ("name: t\nstages: [{k1: 1}]\n", False),
        ("name: t\nstages: [{kind: bm25, steps: 1}]\n", False),
        ("name: t\nstages: [{kind: pipeline, stages: [{kind: toy}]}]\n", False),
        ("name: t\nmodel: {kind: fuse}\n", False),
        ("name: t\n", False),
    ]:
        assert validator.is_valid(yaml.safe_load(content)) is valid, content
        if valid:
            _load(folder, content)
        else:
            assert _errors(folder, content)


def test_the_json_schema_documents_kinds_and_settings() -> None:
    schema = to_json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"toy", "toy-code", "bm25"} <= set(schema["properties"]["model"]["properties"]["kind"]["enum"])
    kinds = [rule["then"] for rule in schema["properties"]["model"]["allOf"]]
    (toy,) = [kind for kind in kinds if kind["properties"]["kind"]["const"] == "toy"]
    assert toy["description"] == "A toy kind."
    assert toy["properties"]["weights"]["description"] == "Weights beside the file."


_SHIPPED = sorted((Path(__file__).parents[1] / "submissions").glob("*.yaml"))


@pytest.mark.parametrize("path", _SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_submission_is_valid_and_has_at_most_ten_lines(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert all(one.name for one in load_all(path))
    assert len(content.splitlines()) <= 10
    jsonschema.validate(yaml.safe_load(content), to_json_schema())
