"""Causal language models from the Hugging Face hub, a folder, a GGUF file or a package, run here."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
from pydantic import Field

from harness.config import ModelConfig, in_field
from harness.contract import (
    Example,
    Failure,
    Prediction,
    Prepared,
    Prompt,
    Request,
    Resources,
    Texts,
    Usage,
)
from harness.efficiency.ledger import Memory
from harness.efficiency.work import Stage, Work
from harness.models.transformer import Weights

if TYPE_CHECKING:
    from harness.generation.judge import Judge
    from harness.generation.prefixes import Group

_BATCH_SIZE = 32
_STAGE = "generate"


class CausalLMConfig(ModelConfig):
    """A causal language model and how it is asked."""

    model: Weights
    """A hub id (`org/name`), a folder or GGUF file (`./path`), or `package:NAME`: weights in an installed package."""
    revision: str | None = None
    """Commit, tag or branch of a hub id; give a commit to make the row reproducible."""
    gguf: str | None = None
    """Name of the GGUF file, where the folder or repository has several."""
    prompt: Literal["auto", "chat", "plain"] = "auto"
    """`chat` puts the prompt into the tokenizer's chat template, `plain` gives it as it is; auto is chat if it can."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    """Tokens of an answer at most. Default: what the task allows."""
    temperature: float = Field(default=0.0, ge=0)
    """0 takes the likeliest token; several samples of a prompt need more."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Draw from the likeliest tokens that together have this probability."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of weights and activations."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU if there is one."""
    batch_tokens: int = Field(default=16_384, ge=1)
    """Tokens that are computed together, room for answers included: what bounds the memory for keys and values."""
    reuse_prefixes: bool = True
    """Compute what prompts have in common once."""
    exact_bytes: bool = False
    """The probability of a text sums over all tokenizations that begin with it; else it is of the canonical one."""
    blind: bool = False
    """Take tasks with images too, and answer from the question alone: a floor for those that look."""

    def artifacts(self) -> dict[str, str]:
        """sha256 of the weights, configuration and tokenizer; a hub id stands for itself."""
        from harness.generation import weights
        from harness.retrieval.encoder import PACKAGE

        with in_field("model"):
            if not (self.model.startswith(PACKAGE) or Path(self.model).is_absolute()):
                return {}
            return weights.Weights.find(self.model, self.revision, self.gguf).digests()


class CausalLM:
    """Answers prompts with texts, those that share a beginning together; and says how likely texts are."""

    kind: ClassVar[str] = "causal_lm"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = CausalLMConfig

    def __init__(self, config: CausalLMConfig, seed: int) -> None:
        self.offers = frozenset({"texts", "loglikelihood", *(("images",) if config.blind else ())})
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config, self._seed = config, seed
        self._samples = 1
        self._judge: Judge | None = None

    def concerns(self, request: Request) -> list[str]:
        """What to be told before a run on a task that asks for this."""
        return budget_concerns(self._config.max_output_tokens, self._config.temperature, request)

    def prepare(self, resources: Resources) -> Prepared:
        """Load the tokenizer and the weights."""
        from harness.generation import weights
        from harness.generation.decoding import Decoder, Sampling
        from harness.generation.judge import Judge
        from harness.generation.likelihood import TextLikelihood
        from harness.retrieval.encoder import device_named

        config, request = self._config, resources.request
        found = weights.Weights.find(config.model, config.revision, config.gguf)
        self._tokenizer = found.tokenizer()
        model = found.model(config.dtype).to(device_named(config.device))
        self._model_config, self._folder_of_ledgers = model.config, resources.cache
        self._limit: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._is_chat = config.prompt == "chat" or (config.prompt == "auto" and bool(self._tokenizer.chat_template))
        self._most_tokens = config.max_output_tokens or request.max_output_tokens
        self._samples = request.samples
        self._sampling = Sampling(config.temperature, config.top_p)
        self._decoder = Decoder(model, pad_id=self._pad_id(), stop_ids=_stop_ids(model, self._tokenizer))
        if not request.max_output_tokens:  # the task wants no text, but the probability of one
            likelihood = TextLikelihood(self._decoder, self._tokenizer, exact=config.exact_bytes)
            self._judge = Judge(likelihood, limit=self._limit, scratch=resources.scratch, stage=_STAGE)
            start = self._tokenizer.decode([likelihood.start])
            return Prepared(facts={"context_tokens": self._limit or "any", "document_start": start})
        return Prepared(
            facts={
                "prompt_form": "chat" if self._is_chat else "plain",
                "context_tokens": self._limit or "any",
                "max_output_tokens": self._most_tokens,
                "parameters": sum(p.numel() for p in model.parameters()),
            }
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A text for each sample of each prompt; a prompt that leaves no room for the answer is over the limit."""
        if self._judge:
            return self._judge.predictions(examples)
        prompts = [self._tokens(example) for example in examples]
        fits = [i for i, prompt in enumerate(prompts) if not self._is_over(prompt)]
        asked = [(i, sample) for i in fits for sample in range(self._samples)]
        texts: defaultdict[int, list[str]] = defaultdict(list)
        usages: defaultdict[int, list[Usage]] = defaultdict(list)
        answers = self._answers([prompts[i] for i, _ in asked], [self._row_seed(examples[i], s) for i, s in asked])
        for (i, sample), (tokens, usage) in zip(asked, answers, strict=True):
            texts[i].append(self._tokenizer.decode(tokens, skip_special_tokens=True))
            usages[i].append(msgspec.structs.replace(usage, stage=_stage_name(sample)))
        return [
            Prediction(example.id, Texts(texts[i]), tuple(usages[i]))
            if i in texts
            else Prediction(example.id, Failure("over_limit", self._why_over(prompts[i])))
            for i, example in enumerate(examples)
        ]

    def phases(self) -> Work:
        """Reading a prompt and writing a token; further samples of a prompt hold no further weights."""
        from harness.efficiency.generation_work import generation_stage

        stage = generation_stage(
            self._model_config,
            name=_STAGE,
            dtype=self._config.dtype,
            cache=self._folder_of_ledgers,
            logits_to_keep=0 if self._judge else 1,
        )
        return Work(tuple(_of_sample(stage, sample) for sample in range(self._samples)))

    def findings(self) -> dict[str, float]:
        """Of texts: what lies between the bits of their canonical tokens and those of their bytes."""
        return self._judge.findings() if self._judge else {}

    # --- prompts ----------------------------------------------------------------------------------------------------

    def _tokens(self, example: Example) -> list[int]:
        prompt = example.input if isinstance(example.input, Prompt) else Prompt(str(example.input))
        if not self._is_chat:
            text = f"{prompt.system}\n\n{prompt.text}" if prompt.system else prompt.text
            return list(self._tokenizer(text)["input_ids"])
        system = [{"role": "system", "content": prompt.system}] if prompt.system else []
        messages = [*system, {"role": "user", "content": prompt.text}]
        rendered = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(self._tokenizer(rendered, add_special_tokens=False)["input_ids"])

    def _is_over(self, prompt: Sequence[int]) -> bool:
        return self._limit is not None and len(prompt) + self._most_tokens > self._limit

    def _why_over(self, prompt: Sequence[int]) -> str:
        needed = f"{len(prompt):,} tokens and {self._most_tokens:,} for the answer"
        return f"{needed}; the model has {self._limit:,} positions"

    def _row_seed(self, example: Example, sample: int) -> int:
        digest = hashlib.sha256(f"{self._seed} {example.id} {sample}".encode()).digest()
        return int.from_bytes(digest[:7])

    def _pad_id(self) -> int:
        return next(id for id in (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0) if id is not None)

    # --- answers ----------------------------------------------------------------------------------------------------

    def _answers(self, prompts: Sequence[list[int]], seeds: Sequence[int]) -> list[tuple[list[int], Usage]]:
        from harness.generation.prefixes import Group, groups

        found: dict[int, tuple[list[int], Usage]] = {}
        plan = (
            groups(prompts, self._most_tokens)
            if self._config.reuse_prefixes
            else [Group(0, tuple(range(len(prompts))))]
        )
        for group in plan:
            found |= self._of_group(group, prompts, seeds)
        return [found[place] for place in range(len(prompts))]

    def _of_group(
        self, group: Group, prompts: Sequence[list[int]], seeds: Sequence[int]
    ) -> dict[int, tuple[list[int], Usage]]:
        from harness.generation.decoding import Row
        from harness.generation.prefixes import batches

        cached = self._begin(group, prompts)
        after = len(self._decoder.kept) if group.shared else 0
        lengths = [len(prompts[place]) - after for place in group.places]
        found: dict[int, tuple[list[int], Usage]] = {}
        for batch in batches(lengths, after + self._most_tokens, self._config.batch_tokens):
            places = [group.places[index] for index in batch]
            rows = [Row(prompts[place][after:], seeds[place]) for place in places]
            texts = self._decoder.generate(rows, self._most_tokens, self._sampling, after=after)
            for place, text in zip(places, texts, strict=True):
                usage = Usage(
                    prompt_tokens=len(prompts[place]),
                    cached_tokens=cached if place == group.places[0] else after,
                    output_tokens=len(text),
                    batch_rows=len(rows),
                    batch_tokens=max(len(row.prompt) for row in rows),
                )
                found[place] = text, usage
        return found

    def _begin(self, group: Group, prompts: Sequence[list[int]]) -> int:
        """Have the group's beginning computed; returns how many tokens of it were at hand."""
        first = prompts[group.places[0]] if group.places else []
        kept = self._decoder.kept
        if not group.shared:
            return 0
        if kept and len(kept) <= group.shared and 2 * len(kept) >= group.shared and kept == tuple(first[: len(kept)]):
            return len(kept)  # the batch before this one ended amid the questions on one text
        self._decoder.keep(first[: group.shared])
        return 0


def budget_concerns(most_tokens: int | None, temperature: float, request: Request) -> list[str]:
    """What to be told before a run: an answer that would be cut off, samples that would all be the same."""
    found = []
    if most_tokens is not None and most_tokens < request.max_output_tokens:
        found.append(
            f"max_output_tokens is {most_tokens}, but the task allows for {request.max_output_tokens} tokens: longer "
            "answers will be cut off and are wrong"
        )
    if request.samples > 1 and temperature == 0:
        found.append(f"the task asks for {request.samples} samples, which at temperature 0 are all the same")
    return found


def _stage_name(sample: int) -> str:
    return _STAGE if sample == 0 else f"{_STAGE} {sample + 1}"


def _of_sample(stage: Stage, sample: int) -> Stage:
    if sample == 0:
        return stage
    held = Memory(0, stage.memory.kv_bytes_per_token, stage.memory.state_bytes)
    return msgspec.structs.replace(stage, name=_stage_name(sample), memory=held)


def _stop_ids(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: those of the generation settings, and the tokenizer's."""
    stated = model.generation_config.eos_token_id
    ids = stated if isinstance(stated, list) else [stated]
    return [id for id in Counter([*ids, tokenizer.eos_token_id]) if id is not None]
