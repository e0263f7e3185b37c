"""Tables of measured times: what ships can be read, and a broken table of a user is an error that names the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.efficiency.measured import ModelRow, measured_rows, read_lines
from harness.errors import InputError

HEADER = (
    "quantity,model,batch,prompt_tokens,dtype,hardware,seconds,source,architecture,layers,hidden,heads,kv_heads,ffn"
)
HEADER += ",vocabulary"
GOOD = "encode,mine,1,128,float32,EPYC-9654-core,0.5,a stopwatch,bert,4,256,4,4,1024,30522"


def table(folder: Path, *lines: str) -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def test_a_row_has_the_shape_that_it_gives(tmp_path: Path) -> None:
    (line,) = read_lines(table(tmp_path, GOOD))
    assert isinstance(line.row, ModelRow)
    assert line.row.shape().layers == 4
    assert line.row.shape().element_bytes == 4
    assert line.where.endswith("mine.csv:2")


def test_a_published_model_needs_no_sizes(tmp_path: Path) -> None:
    (line,) = read_lines(table(tmp_path, "encode,BERT-base,1,128,float16,T4,0.5,a stopwatch,,,,,,,"))
    assert isinstance(line.row, ModelRow)
    assert line.row.shape().hidden == 768


@pytest.mark.parametrize("name", ["megatron-2022", "fastertransformer-encoders", "pytorch-cpu", "numpy-cpu"])
def test_what_ships_can_be_read(name: str) -> None:
    assert len(measured_rows(name)) > 100 or name == "fastertransformer-encoders"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (GOOD.replace("0.5", "fast"), r"seconds: expected `float`"),
        (GOOD.replace("0.5", "nan"), r"seconds is nan"),
        (GOOD.replace("0.5", "0"), r"seconds is 0"),
        (GOOD.replace("0.5", ""), r"missing required field `seconds`"),
        (GOOD.replace(",1,128", ",-1,128"), r"batch is -1"),
        (GOOD.replace("encode", "encoding"), r"quantity: invalid enum value"),
        (GOOD.replace("EPYC-9654-core", "EPYC-9654"), r"there is no hardware profile 'EPYC-9654'"),
        (GOOD.replace("float32", "float23"), r"there is no dtype 'float23'"),
        (GOOD.replace("float32", "int8"), r"has no peak_flops\.int8"),
        (GOOD.replace(",4,256", ",,256"), r"sizes of 'mine' are not known: .*layers"),
        (GOOD + ",more", r"not as many cells"),
        (GOOD.rsplit(",", 1)[0], r"not as many cells"),
        ('"' + GOOD, r"not CSV"),
    ],
)
def test_a_broken_row_is_an_error_with_file_and_line(tmp_path: Path, bad: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"mine\.csv:3: .*{said}"):
        read_lines(table(tmp_path, GOOD, bad))


def test_a_misspelt_column_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(HEADER.replace("seconds", "secnds") + "\n" + GOOD + "\n")
    with pytest.raises(InputError, match=r"mine\.csv:1: there is no column 'secnds'") as caught:
        read_lines(path)
    assert "'seconds'" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "no measurements"), (HEADER.encode(), "no measurements"), (b"\xff\xfe", "UTF-8")]
)
def test_a_table_of_nothing_is_an_error(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_lines(path)


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the measurements in .*mine\.csv"):
        read_lines(tmp_path / "mine.csv")
