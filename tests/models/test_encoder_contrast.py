"""The first layers of a transformer learn from a task's own pairs, and are kept as weights that encoders load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.contract import Example, Ranking
from harness.errors import RunFailed
from harness.models.encoder_contrast import EncoderContrast, EncoderContrastConfig
from tests.models.test_momentum_contrast import MEANINGS, resources
from tests.models.tiny_encoder import tiny_roberta


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_roberta(tmp_path_factory.mktemp("roberta"))


def config(weights: Path, **more: Any) -> EncoderContrastConfig:
    small: dict[str, Any] = {"steps": 30, "pairs_per_step": 16, "learning_rate": 0.01, "queue": 32, "momentum": 0.9}
    small |= {"layers": 1, "max_length": 64, "tokens": 64, "device": "cpu", "model": str(weights)}
    return EncoderContrastConfig(**(small | more))


def reciprocal_rank(model: EncoderContrast) -> float:
    outputs = {each.id: each.output for each in model.predict([Example(word, word) for word in MEANINGS])}
    ranks = [o.ids.index(word) + 1 for word, o in outputs.items() if isinstance(o, Ranking)]
    return sum(1 / rank for rank in ranks) / len(MEANINGS)


def test_it_beats_its_starting_point_and_keeps_the_weights(weights: Path, tmp_path: Path) -> None:
    begun, learnt = (EncoderContrast(config(weights, **more), 0) for more in ({"steps": 0}, {}))
    begun.prepare(resources(tmp_path / "a"))
    prepared = learnt.prepare(resources(tmp_path / "b"))
    assert reciprocal_rank(learnt) > reciprocal_rank(begun)
    curve = [value for _, value in prepared.curves["validation RR"]]
    assert prepared.facts["best_validation_RR"] == max(curve) > curve[0] - 1e-9
    assert {stage.name for stage in learnt.phases().stages} == {"encode", "search"}
    assert list((tmp_path / "b").rglob("tuned/model.safetensors"))


def test_layers_above_are_left_out(weights: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    EncoderContrast(config(weights, steps=0), 0).prepare(resources(tmp_path / "a"))
    (folder,) = (path.parent for path in (tmp_path / "a").rglob("tuned/config.json"))
    whole, cut = AutoModel.from_pretrained(weights), AutoModel.from_pretrained(folder)
    assert (len(whole.encoder.layer), len(cut.encoder.layer)) == (2, 1)
    assert (whole.embeddings.word_embeddings.weight == cut.embeddings.word_embeddings.weight).all()


def test_without_training_pairs_it_says_where_there_are(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="no training pairs"):
        EncoderContrast(config(weights), 0).prepare(resources(tmp_path, with_train=False))
