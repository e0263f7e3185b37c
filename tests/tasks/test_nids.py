"""Intrusion detection on flows: honest splits, traps with their badge, audits, and files as people send them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.contract import Places, Workload
from harness.errors import DataError

KDD = "0,tcp,http,SF,{bytes}" + ",0" * 36 + ",{label},20\n"


def load(name: str, data: Path, tmp_path: Path) -> Workload:
    return registry.task(name).load(Places(data=data, cache=tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder of a user's own flows."""

    def write(schema: str, **files: str) -> Path:
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / "flows.yaml").write_text(schema)
        for name, content in files.items():
            (tmp_path / "own" / f"{name}.csv").write_bytes(content.encode())
        return tmp_path / "own"

    return write


SCHEMA = "kind: attack\nbenign: normal\nnumbers: [bytes, seconds]\ncategories: [proto]\n"
PAIR = SCHEMA + "train: train.csv\ntest: test.csv\n"
HEADER = "bytes,seconds,proto,attack\n"
TRAIN = HEADER + "".join(f"{i},0.5,tcp,{'scan' if i % 2 else 'normal'}\n" for i in range(40))


@pytest.mark.data
def test_nsl_kdd_is_what_its_authors_published(data_root: Path, tmp_path: Path) -> None:
    workload = load("nids/nsl-kdd", data_root, tmp_path)
    facts = workload.facts
    assert facts["train"] + facts["validation"] == 125_973
    assert (facts["test"], facts["attacks_in_test"], facts["flows_of_unseen_types"]) == (22_544, 12_833, 3_750)
    duplicates = {row["what"]: row["flows"] for row in workload.audit["Duplicates and conflicts"]}
    assert duplicates["train: flows with the features of an earlier one"] == 16
    assert duplicates["test flows whose features are in training"] == 664
    (cut,) = [line for line in workload.lines if line.name.startswith("one cut")]
    assert cut.value > 0.8


@pytest.mark.data
def test_families_and_the_harder_test_file(data_root: Path, tmp_path: Path) -> None:
    workload = load("nids/nsl-kdd/families", data_root, tmp_path)
    assert workload.inputs.request.labels == ("benign", "dos", "probe", "r2l", "u2r")
    harder = load("nids/nsl-kdd-21", data_root, tmp_path)
    assert harder.facts["test"] == 11_850
    assert harder.facts["attack_share_of_test"] == pytest.approx(0.818, abs=0.001)


@pytest.mark.data
def test_of_unsw_the_missing_half_is_named_and_the_draw_is_badged(data_root: Path, tmp_path: Path) -> None:
    places = Places(data=data_root, cache=tmp_path)
    status = registry.task("nids/unsw-nb15").status(places)
    assert (status.state, "175,341 flows is missing" in status.hint) == ("manual", True)
    drawn = registry.task("nids/unsw-nb15/random-split-deduplicated")
    assert drawn.card.marks == ("random split",) and drawn.card.on_request
    workload = drawn.load(places)
    assert workload.facts["duplicates_removed"] == 28_386
    assert "id" not in {column.name for column in workload.inputs.request.columns}


def test_a_policy_takes_columns_out_and_is_another_task() -> None:
    plain, without = registry.task("nids/nf-unsw-nb15-v3"), registry.task("nids/nf-unsw-nb15-v3/no-ports")
    assert "port" in set(without.dropped) - set(plain.dropped)  # type: ignore[attr-defined]
    assert {"address", "time"} <= set(plain.dropped)  # type: ignore[attr-defined]


def test_flows_in_time_order_are_cut_and_not_drawn(folder: Callable[..., Path], tmp_path: Path) -> None:
    rows = [f"{i},{i},tcp,{'scan' if i % 3 else 'normal'}\n" for i in range(100)]
    np.random.default_rng(0).shuffle(rows)
    path = folder(SCHEMA + "file: flows.csv\ntime: seconds\n", flows=HEADER + "".join(rows))
    workload = load(f"nids:{path}", tmp_path, tmp_path)
    assert [example.input[1] for example in workload.examples] == list(range(70, 100))


def test_a_folder_can_have_dates_windows_and_types_to_name(folder: Callable[..., Path], tmp_path: Path) -> None:
    rows = [f"{i},1,tcp,{('normal', 'scan', 'dos')[i % 3]},2017-07-03 09:{i % 60:02}:00.5\n" for i in range(50)]
    schema = SCHEMA + "file: flows.csv\ntime: at\ntypes: true\nwindow: 3\n"
    path = folder(schema, flows=HEADER.replace("\n", ",at\n") + "".join(reversed(rows)))
    workload = load(f"nids:{path}", tmp_path, tmp_path)
    assert workload.inputs.request.labels == ("benign", "dos", "scan")
    assert workload.examples[-1].input == [47, 1, "tcp", 48, 1, "tcp", 49, 1, "tcp"]


def test_corrected_cic_flows_are_cut_in_time_and_an_attempt_without_effect_is_benign(tmp_path: Path) -> None:
    task = registry.task("nids/cic-ids2017")
    names = [column.name for column in task.columns]  # type: ignore[attr-defined]
    header = ["id", "Flow ID", "Src IP", *names, "Timestamp", "Label", "Attempted Category"]
    kinds = ["BENIGN", "DoS Hulk", "DoS Hulk - Attempted", "Bot"]
    rows = [
        ["1", "a-b", "10.0.0.1", *["1"] * len(names), f"2017-07-03 0{9 - i % 9}:00:00", kinds[i % 4], "-1"]
        for i in range(40)
    ]
    (tmp_path / "nids" / "cic_ids2017").mkdir(parents=True)
    for day, part in {"monday": rows[:20], "friday": rows[20:]}.items():
        content = "\r\n".join(",".join(row) for row in [header, *part])
        (tmp_path / "nids" / "cic_ids2017" / f"{day}.csv").write_text(content)
    facts = load("nids/cic-ids2017", tmp_path, tmp_path).facts
    assert (facts["train"] + facts["validation"], facts["test"]) == (28, 12)  # type: ignore[operator]
    families = load("nids/cic-ids2017/families", tmp_path, tmp_path)
    assert families.inputs.request.labels == ("benign", "bot", "dos hulk")


def test_a_window_ends_with_its_flow(tmp_path: Path) -> None:
    plain, windows = (load(name, tmp_path, tmp_path) for name in ("nids/simulated", "nids/simulated/window-8"))
    width = len(plain.inputs.request.columns)
    assert windows.inputs.request.window == 8
    assert windows.examples[0].input[: 7 * width] == [None] * 7 * width
    for i in (7, 100):
        expected = [value for example in plain.examples[i - 7 : i + 1] for value in example.input]
        assert windows.examples[i].input == expected


def test_generated_flows_are_the_same_each_time_and_no_single_column_tells(tmp_path: Path) -> None:
    first, second = (load("nids/simulated", tmp_path, tmp_path / name) for name in ("one", "other"))
    assert first.digest == second.digest
    assert max(line.value for line in first.lines) < 0.85


def test_other_order_or_labels_are_other_data(folder: Callable[..., Path], tmp_path: Path) -> None:
    test = HEADER + "1,1,tcp,normal\n2,1,udp,scan\n"
    one = load(f"nids:{folder(PAIR, train=TRAIN, test=test)}", tmp_path, tmp_path).digest
    other = load(f"nids:{folder(PAIR, train=TRAIN, test=test.replace('scan', 'probe'))}", tmp_path, tmp_path)
    assert one != other.digest
    assert other.facts["flows_of_unseen_types"] == 1
    assert one != load(f"nids:{folder(PAIR, train=TRAIN.replace('38,', '39,'), test=test)}", tmp_path, tmp_path).digest


def test_marks_line_ends_missing_and_infinite_values(folder: Callable[..., Path], tmp_path: Path) -> None:
    test = "\ufeffbytes,seconds,proto,attack\r\n1,,new-protocol,normal\r\n-5,Infinity,tcp,scan\n2,NaN,tcp,scan\r\n"
    workload = load(f"nids:{folder(PAIR, train=TRAIN, test=test)}", tmp_path, tmp_path)
    assert [example.input for example in workload.examples] == [
        [1.0, None, "new-protocol"],
        [-5.0, None, "tcp"],
        [2.0, None, "tcp"],
    ]
    assert workload.facts["missing_values"] == 2
    assert workload.facts["infinite_values_taken_as_missing"] == 1


@pytest.mark.parametrize(
    ("schema", "test", "message"),
    [
        (PAIR, "bytes,proto\n1,tcp\n", "lacks the columns seconds, attack"),
        (PAIR, HEADER + "1,1,tcp,normal\nmany,1,tcp,scan\n", r"test.csv:3: bytes: 'many' is no number"),
        (PAIR, "", "is empty"),
        (PAIR, HEADER + "1,1,tcp,normal\n", "the test split has no attack"),
        (PAIR + "colour: red\n", TRAIN, "colour: Extra inputs"),
        (SCHEMA, TRAIN, "name `train` and `test`, or `file`"),
        ("- x\n", TRAIN, "the file: Input should be"),
        (PAIR + "x: [", TRAIN, "is no YAML"),
        (PAIR.replace("test.csv", "gone.csv"), TRAIN, "there is no file"),
        (PAIR.replace("proto]", "attack]"), TRAIN, "attack is the answer"),
        (PAIR.replace("proto]", "bytes]"), TRAIN, "bytes are named twice"),
        (PAIR + "window: 8\n", TRAIN, "needs flows in the order of their `time`"),
        (PAIR, "bytes;seconds;proto;attack\n1;1;tcp;normal\n", "lacks the columns bytes, seconds, proto, attack"),
        (SCHEMA + "file: test.csv\ntime: at\n", "bytes,seconds,proto,attack,at\n1,1,x,scan,03/07/2017\n", "no time"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(
    folder: Callable[..., Path], tmp_path: Path, schema: str, test: str, message: str
) -> None:
    path = folder(schema, train=TRAIN, test=test)
    with pytest.raises(DataError, match=message):
        load(f"nids:{path}", tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("duration," + KDD.format(bytes=1, label="normal"), "found 44 columns, expected 43"),
        (KDD.format(bytes="src_bytes", label="normal"), "no number"),
        ("x" + KDD.format(bytes=1, label="normal"), "stands where a number should"),
        (KDD.format(bytes=1, label="normal") * 10, "has 10 flows; KDDTrain.* has 125,973"),
        ("0,tcp,http,SF,1" + ",0" * 36 + ",normal.\n", "KDD Cup '99"),
    ],
)
def test_impostors_and_damaged_files_are_refused(tmp_path: Path, train: str, message: str) -> None:
    (tmp_path / "nids" / "nsl_kdd").mkdir(parents=True)
    for name in ("KDDTrain+.txt", "KDDTest+.txt"):
        (tmp_path / "nids" / "nsl_kdd" / name).write_text(train)
    with pytest.raises(DataError, match=message):
        load("nids/nsl-kdd", tmp_path, tmp_path)


@pytest.mark.data
def test_a_swapped_name_does_not_pass(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "nids" / "unsw_nb15").mkdir(parents=True)
    source = data_root / "nids" / "unsw_nb15" / "UNSW_NB15_official82332.csv"
    shutil.copy(source, tmp_path / "nids" / "unsw_nb15" / "UNSW_NB15_training-set.csv")
    status = registry.task("nids/unsw-nb15").status(Places(data=tmp_path, cache=tmp_path))
    assert "175,341" in status.hint
    assert load("nids/unsw-nb15/random-split", tmp_path, tmp_path).facts["test"] == round(0.3 * 82_332)
