"""Search with rewritten queries and documents: generated code stands beside what was asked, and beside what is found.

GAR rewrites queries only (Mao et al. 2021, arXiv:2009.08553): a model writes code that a query may mean. ReCo (Li,
Zhou and Shen 2024, arXiv:2401.04514) rewrites the codes as well: each is summarised, and code is written from the
summary, so that both sides are in the style of one model. Any kind that offers texts may write; `replay` reads
a file of generations.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import Field, JsonValue, ValidationInfo, model_validator

from harness.config import ModelConfig, in_field
from harness.contract import (
    Corpus,
    Document,
    Example,
    Inputs,
    Prediction,
    Prepared,
    Prompt,
    Ranking,
    Request,
    Resources,
    Texts,
    Usage,
)
from harness.digest import file_digest
from harness.efficiency.work import Work, tallied
from harness.errors import InputError, RunFailed

_SEPARATOR = "\x1e"
"""Between the texts whose vectors are averaged; no text of ours has it."""
_BLOCK = 256
_ROLES = ("retriever", "queries", "documents")


class RewriteConfig(ModelConfig):
    """What searches, what writes, and how both come together."""

    retriever: dict[str, JsonValue]
    """The kind that searches, with its settings, as under `model:`."""
    queries: dict[str, JsonValue] | None = None
    """The kind that writes code for a query, with its settings; `replay` reads `{"id", "texts"}` from JSON lines."""
    documents: dict[str, JsonValue] | None = None
    """The kind that writes each document again (ReCo); the same settings as `queries` are the same model."""
    mix: Literal["text", "vectors"] = "text"
    """`text` puts generations behind the text, which is repeated as often; `vectors` takes the mean of embeddings."""
    samples: int = Field(default=4, ge=1, le=64)
    """Generations for each text that are used, the first; ReCo has four."""
    max_output_tokens: int = Field(default=256, ge=1)
    """Length of a generation."""
    query_prompt: str = "Write a Python function that does this. Only output the code.\n\n{text}\n"
    """What a model is asked for a query, and for the summary of a document."""
    document_prompt: str = "What does this code do? Answer in one sentence.\n\n{text}\n"
    """What a model is asked for the summary of a document."""

    _parts: dict[str, tuple[Any, ModelConfig]]

    @model_validator(mode="after")
    def _build(self, info: ValidationInfo) -> RewriteConfig:
        if self.queries is None and self.documents is None:
            raise ValueError("nothing is rewritten: give `queries`, `documents` or both")
        for prompt in (self.query_prompt, self.document_prompt):
            if "{text}" not in prompt:
                raise ValueError("a prompt has {text} where the text goes")
        parts: dict[str, tuple[Any, ModelConfig]] = {}
        for role in _ROLES:
            if (settings := getattr(self, role)) is not None:
                kind = _kind(role, settings)
                own = {key: value for key, value in settings.items() if key != "kind"}
                needed = "ranking" if role == "retriever" else "texts"
                config = kind.Config.model_validate(own, context=info.context)
                if needed not in kind(config, 0).offers:
                    raise ValueError(f"{role}: a kind that offers `{needed}` is needed here")
                parts[role] = kind, config
        self._parts = parts
        return self

    def artifacts(self) -> dict[str, str]:
        """Those of the kinds it is made of."""
        found: dict[str, str] = {}
        for role, (_, config) in self._parts.items():
            with in_field(role):
                found |= {f"{role}/{name}": digest for name, digest in config.artifacts().items()}
        return found

    def built(self, seed: int) -> dict[str, Any]:
        """A model for each role; writers of the same settings are one."""
        models = {role: kind(config, seed) for role, (kind, config) in self._parts.items()}
        if self.queries is not None and self.queries == self.documents:
            models["documents"] = models["queries"]
        return models


class Rewrite:
    """A retriever whose queries, and documents if wished, have generations beside them."""

    kind: ClassVar[str] = "rewrite"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = RewriteConfig
    offers: ClassVar[frozenset[str]] = frozenset({"ranking"})

    def __init__(self, config: RewriteConfig, seed: int) -> None:
        self._config = config
        self._models = config.built(seed)
        self.batch_size = config.batch_size or self._models["retriever"].batch_size
        self._preparing: list[Usage] = []

    def prepare(self, resources: Resources) -> Prepared:
        """Prepare the writers, write the documents again, and let the retriever index what came of them."""
        retriever = self._models["retriever"]
        if self._config.mix == "vectors":
            if not hasattr(retriever, "separator"):
                raise RunFailed(
                    "`mix: vectors` needs a retriever of embeddings", hint="Use dense, static or code_encoder."
                )
            retriever.separator = _SEPARATOR
        ids = [document.id for document in resources.corpus] if "documents" in self._models else []
        asked = [*resources.example_ids, *ids]
        request = Request(max_output_tokens=self._config.max_output_tokens, samples=self._config.samples)
        writers = {id(self._models[role]): role for role in ("documents", "queries") if role in self._models}
        for role in writers.values():
            own = replace(resources, inputs=Inputs(request), example_ids=asked, scratch=resources.scratch / role)
            own.scratch.mkdir(parents=True, exist_ok=True)
            self._models[role].prepare(own)
        inputs = resources.inputs
        facts: dict[str, str | int | float] = {"generations": self._config.samples}
        if "documents" in self._models:
            written = _Count()
            corpus = _written(self._rewritten(resources, written), resources.scratch / "rewritten.jsonl")
            inputs = msgspec.structs.replace(inputs, corpus=corpus)
            facts["documents_rewritten"] = written.number
        prepared = retriever.prepare(replace(resources, inputs=inputs)) or Prepared()
        return msgspec.structs.replace(prepared, facts=prepared.facts | facts)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Write for each query, and search for both; a query that nothing is written for is searched as it is."""
        texts, usages = self._generations(examples, "queries") if "queries" in self._models else ({}, {})
        prefix = getattr(self._models["retriever"], "query_prefix", "")
        asked = [
            msgspec.structs.replace(e, input=self._mixed(str(e.input), texts.get(e.id, []), prefix)) for e in examples
        ]
        return [
            msgspec.structs.replace(found, usage=(*usages.get(found.id, ()), *found.usage))
            for found in self._models["retriever"].predict(asked)
        ]

    def phases(self) -> Work:
        """The writer's stages, and the retriever's."""
        work: Work = self._models["retriever"].phases()
        writers = [self._models[role] for role in ("queries", "documents") if role in self._models]
        stages = {s.name: s for writer in writers if hasattr(writer, "phases") for s in writer.phases().stages}
        named = [msgspec.structs.replace(stage, name=f"write/{name}") for name, stage in stages.items()]
        return Work((*named, *work.stages), (*tallied(self._preparing), *work.preparing), work.uncounted)

    def findings(self) -> Mapping[str, str | int | float]:
        """Those of the retriever."""
        find = getattr(self._models["retriever"], "findings", None)
        found: Mapping[str, str | int | float] = find() if find else {}
        return found

    def _mixed(self, text: str, generations: Sequence[str], prefix: str) -> str:
        if self._config.mix == "vectors":
            return _SEPARATOR.join([text, *(prefix + each for each in generations)])
        return "\n".join([text] * max(1, len(generations)) + list(generations))

    def _rewritten(self, resources: Resources, written: _Count) -> Iterator[Document]:
        prefix = getattr(self._models["retriever"], "document_prefix", "")
        for block in _blocks(resources.corpus):
            summaries, spent = self._generations(_prompted(block, self._config.document_prompt), "documents")
            asked = [Example(d.id, summaries[d.id][0]) for d in block if summaries.get(d.id)]
            texts, more = self._generations(asked, "documents")
            self._preparing += [usage for each in (spent, more) for its in each.values() for usage in its]
            for document in block:
                generations = texts.get(document.id, [])
                written.number += bool(generations)
                yield msgspec.structs.replace(document, text=self._mixed(document.text, generations, prefix))
            resources.progress(written.number, len(resources.corpus), "documents written again")

    def _generations(
        self, examples: Iterable[Example], role: str
    ) -> tuple[dict[str, list[str]], dict[str, tuple[Usage, ...]]]:
        """What is written for each example, and what that took, by id."""
        prompt = self._config.query_prompt
        asked = [e if isinstance(e.input, Prompt) else _asking(e, prompt) for e in examples]
        texts: dict[str, list[str]] = {}
        usages: dict[str, tuple[Usage, ...]] = {}
        model = self._models[role]
        for start in range(0, len(asked), model.batch_size):
            for found in model.predict(asked[start : start + model.batch_size]):
                usages[found.id] = tuple(msgspec.structs.replace(u, stage=f"write/{u.stage}") for u in found.usage)
                if isinstance(found.output, Texts):
                    texts[found.id] = [text for text in found.output.texts if text.strip()][: self._config.samples]
                elif isinstance(found.output, Ranking):
                    raise RunFailed(f"{role}: rankings were given for {found.id!r}, where texts are needed")
        return texts, usages


@dataclass
class _Count:
    number: int = 0


def _kind(role: str, settings: Mapping[str, JsonValue]) -> Any:
    """Whether a file needs --allow-code is read off `rewrite`, which runs none, so no part of it may."""
    from harness.registry import model_kind

    try:
        kind = model_kind(str(settings.get("kind", "")))
    except InputError as error:
        raise ValueError(f"{role}: {error.message}; {error.hint}") from error
    if kind.runs_code:
        raise ValueError(f"{role}: a kind that brings no code is needed here")
    return kind


def _asking(example: Example, prompt: str) -> Example:
    return msgspec.structs.replace(example, input=Prompt(prompt.replace("{text}", str(example.input))))


def _prompted(documents: Sequence[Document], prompt: str) -> list[Example]:
    return [_asking(Example(document.id, document.text), prompt) for document in documents]


def _blocks(corpus: Corpus) -> Iterator[list[Document]]:
    block: list[Document] = []
    for document in corpus:
        block.append(document)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _written(documents: Iterable[Document], path: Path) -> Corpus:
    """The documents as a corpus of their own, whole or not at all."""
    encode, count = msgspec.json.Encoder().encode, 0
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    with unfinished.open("wb") as file:
        for document in documents:
            file.write(encode(document) + b"\n")
            count += 1
    unfinished.replace(path)
    return Corpus(path=str(path), count=count, digest=file_digest(path))
