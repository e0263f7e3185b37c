"""Vision-language models from the Hugging Face hub, a folder or a package, run here."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.config import ModelConfig, in_field
from harness.contract import Example, Failure, Image, Prediction, Prepared, Prompt, Resources, Texts, Usage
from harness.efficiency.work import Stage, Work
from harness.errors import InputError, RunFailed, SubmissionError
from harness.models.transformer import Weights, local_digests

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_BATCH_SIZE = 4
_LOOK, _WRITE = "look", "write"
_COUNTED_TOKENS = 13
"""Of the prompt beside the images; what a tower does does not depend on it."""


class VlmConfig(ModelConfig):
    """A vision-language model and how it is asked."""

    model: Weights
    """A hub id (`org/name`), a folder (`./path`), or `package:NAME`: weights inside an installed package."""
    revision: str | None = None
    """Commit, tag or branch of a hub id; give a commit to make the row reproducible."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    """Tokens of an answer at most. Default: what the task allows."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of weights and activations."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU if there is one."""

    def artifacts(self) -> dict[str, str]:
        """sha256 of the weights, configuration and tokenizer; a hub id stands for itself."""
        with in_field("model"):
            return local_digests(self.model)


class Vlm:
    """Answers prompts with images, one at a time and greedily, through the model's own processor and chat template."""

    kind: ClassVar[str] = "vlm"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = VlmConfig
    offers = frozenset({"texts", "images"})

    def __init__(self, config: VlmConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._sides: list[int] = []

    def prepare(self, resources: Resources) -> Prepared:
        """Load processor and weights. Raises `SubmissionError` if they are missing or of no such model."""
        from transformers import AutoProcessor

        from harness.retrieval.encoder import device_named, load_model, locate

        folder = locate(self._config.model, self._config.revision)
        try:
            loader: Any = AutoProcessor
            self._processor: Any = loader.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise SubmissionError(f"cannot load the processor in {folder}: {error}") from error
        if not hasattr(self._processor, "image_processor"):
            raise SubmissionError(f"the model in {folder} reads no images", hint="For text alone there is causal_lm.")
        model: Any = load_model("AutoModelForImageTextToText", folder, self._config.dtype, max_length=1)
        self._model = model.to(device_named(self._config.device))
        self._most_tokens = self._config.max_output_tokens or resources.request.max_output_tokens
        self._folder_of_ledgers = resources.cache
        parameters = sum(p.numel() for p in self._model.parameters())
        return Prepared(facts={"parameters": parameters, "max_output_tokens": self._most_tokens})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A text for each example. Raises `InputError` for one of which an image is missing."""
        return [self._answered(example) for example in examples]

    def phases(self) -> Work:
        """Looking at the images of an example, and reading and writing with what the tower makes of them."""
        from harness.efficiency.generation_work import generation_stage
        from harness.efficiency.vision_language import vision_language_ledger

        config, dtype = self._model.config, self._config.dtype
        own = getattr(config.vision_config, "image_size", None)
        ledger, _ = vision_language_ledger(
            config,
            batch=1,
            images=1,
            prompt_tokens=_COUNTED_TOKENS,
            context_tokens=_COUNTED_TOKENS,
            dtype=dtype,
            image_size=None if own else int(median(self._sides)),
            logits_to_keep=1,
            growing=False,
        )
        text = generation_stage(config.get_text_config(), name=_WRITE, dtype=dtype, cache=self._folder_of_ledgers)
        return Work((Stage(name=_LOOK, dtype=dtype, once=ledger.phase("vision")), text))

    def _answered(self, example: Example) -> Prediction:
        import torch

        prompt = example.input if isinstance(example.input, Prompt) else Prompt(str(example.input))
        try:
            pictures = [_picture(image, example.id) for image in prompt.images]
        except RunFailed as error:  # of one image: the others can still be answered
            return Prediction(example.id, Failure("unanswered", error.message))
        inputs = self._inputs(prompt, pictures)
        length = inputs["input_ids"].shape[1]
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if limit is not None and length + self._most_tokens > limit:
            message = f"{length} tokens, images included, and {self._most_tokens} of the answer; it reads {limit}"
            return Prediction(example.id, Failure("over_limit", message))
        with torch.inference_mode():
            written = self._model.generate(**inputs, max_new_tokens=self._most_tokens, do_sample=False)[0, length:]
        self._sides += [round((picture.width * picture.height) ** 0.5) for picture in pictures]
        answer = self._processor.decode(written, skip_special_tokens=True)
        return Prediction(example.id, Texts([answer.strip()]), self._usage(inputs["input_ids"], len(written), pictures))

    def _inputs(self, prompt: Prompt, pictures: Sequence[Picture]) -> Any:
        images = [{"type": "image"} for _ in pictures]
        system = [{"role": "system", "content": [{"type": "text", "text": prompt.system}]}] if prompt.system else []
        asked = {"role": "user", "content": [*images, {"type": "text", "text": prompt.text}]}
        text = self._processor.apply_chat_template([*system, asked], tokenize=False, add_generation_prompt=True)
        found = self._processor(text=text, images=list(pictures) or None, return_tensors="pt")
        return found.to(self._model.device, dtype=self._model.dtype)

    def _usage(self, ids: Any, written: int, pictures: Sequence[Picture]) -> tuple[Usage, ...]:
        token = getattr(self._model.config, "image_token_id", None)
        of_images = int((ids == token).sum()) if token is not None else 0
        whole = ids.shape[1]
        looked = tuple(Usage(stage=_LOOK) for _ in pictures)
        wrote = Usage(stage=_WRITE, prompt_tokens=whole - of_images, image_tokens=of_images, output_tokens=written)
        return (*looked, wrote)


def _picture(image: Image, example_id: str) -> Picture:
    """Raises `InputError` if the file is missing, `RunFailed` if it is broken or too large."""
    from PIL import Image as pillow

    from harness.vision.pixels import decode

    if not image.sha256:
        raise InputError(f"the image {image.path} of example {example_id} is missing", hint="Complete the data.")
    return pillow.fromarray(decode(image.read_bytes(), image.path))
