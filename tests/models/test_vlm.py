"""A vision-language model of a real architecture, small and untrained, from its folder to priced answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image as Pillow
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from harness.contract import Example, Failure, Image, Inputs, Prompt, Request, Resources, Texts
from harness.efficiency.work import tallied
from harness.errors import InputError
from harness.models.vlm import Vlm, VlmConfig

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LLaVA: a CLIP tower of 16 patches, a projector, and a LLaMA."""
    path = tmp_path_factory.mktemp("llava")
    words = ["<unk>", "<pad>", "</s>", "<image>", "how", "many", "nodes", "are", "there", *(f"w{i}" for i in range(20))]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="</s>",
        additional_special_tokens=["<image>"],
        extra_special_tokens={"image_token": "<image>"},
    )
    torch.manual_seed(0)
    config = transformers.LlavaConfig(
        text_config=transformers.LlamaConfig(
            **SMALL, vocab_size=len(words), max_position_embeddings=64, pad_token_id=1, eos_token_id=2
        ),
        vision_config=transformers.CLIPVisionConfig(**SMALL, image_size=32, patch_size=8),
        image_token_index=3,
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(path)
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    transformers.LlavaProcessor(
        image_processor=images,
        tokenizer=fast,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(path)
    return path


@pytest.fixture
def model(folder: Path, tmp_path: Path) -> Vlm:
    model = Vlm(VlmConfig(model=str(folder), device="cpu"), seed=0)
    request = Request(max_output_tokens=5)
    prepared = model.prepare(
        Resources(inputs=Inputs(request=request), example_ids=[], scratch=tmp_path, cache=tmp_path)
    )
    assert prepared.facts["max_output_tokens"] == 5
    return model


def picture(path: Path, colour: str = "white") -> Image:
    Pillow.new("RGB", (60, 40), colour).save(path)
    return Image(str(path), "0" * 64)


def test_answers_come_with_their_work(model: Vlm, tmp_path: Path) -> None:
    question = Prompt("how many nodes are there", (picture(tmp_path / "a.png"),))
    first, again = model.predict([Example("q", question), Example("q", question)])
    assert first.output == again.output
    assert isinstance(first.output, Texts)
    look, write = first.usage
    assert (look.stage, write.stage) == ("look", "write")
    assert (write.prompt_tokens, write.image_tokens) == (5, 16)
    assert 1 <= write.output_tokens <= 5


def test_the_image_matters(model: Vlm, tmp_path: Path) -> None:
    white, black = (picture(tmp_path / f"{name}.png", name) for name in ("white", "black"))
    with torch.inference_mode():
        logits = [
            model._model(**model._inputs(Prompt("how many", (one,)), [Pillow.open(one.path)])).logits
            for one in (white, black)
        ]
    assert not torch.allclose(*logits)


def test_its_work_is_counted(model: Vlm, tmp_path: Path) -> None:
    (answered,) = model.predict([Example("q", Prompt("how many nodes", (picture(tmp_path / "a.png"),)))])
    stages = {stage.name: stage for stage in model.phases().stages}
    assert set(stages) == {tally.stage for tally in tallied(answered.usage)}
    assert stages["look"].once is not None
    assert stages["look"].once.flops > 2 * 17 * 2 * (4 * 32 * 32 + 2 * 32 * 64), "two layers over 17 tokens"
    assert stages["write"].prompt


def test_it_runs_through_the_loop_and_is_priced(folder: Path, tmp_path: Path, command: Callable[..., Any]) -> None:
    submission = tmp_path / "tiny.yaml"
    submission.write_text(f"name: tiny\nmodel:\n  kind: vlm\n  model: {folder}\n  max_output_tokens: 4\n")
    ended = command("eval", submission, "--task", "flowlearn/generated/num-nodes", "--limit", 2)
    assert ended.code == 0, ended.err
    (row,) = [r for r in json.loads(command("results", "--json").out) if r["metric"] == "accuracy"]
    assert (row["n"], row["coverage"]) == (2, 1.0)
    assert row["bound_seconds"] > 0


def test_what_cannot_be_looked_at_is_named(model: Vlm, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    broken = Image(str(tmp_path / "broken.png"), "0" * 64)
    (failed,) = model.predict([Example("q", Prompt("how many", (broken,)))])
    assert isinstance(failed.output, Failure)
    assert "broken.png" in failed.output.message
    (over,) = model.predict([Example("q", Prompt("how " * 60, (picture(tmp_path / "a.png"),)))])
    assert isinstance(over.output, Failure)
    assert over.output.kind == "over_limit"
    with pytest.raises(InputError, match=r"gone\.png of example q is missing"):
        model.predict([Example("q", Prompt("how many", (Image("gone.png", ""),)))])
