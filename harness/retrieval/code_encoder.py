"""Encoders of code in the input formats that they were trained with.

- `codebert`: `<s> tokens </s>`, the pooler's output (Feng et al. 2020, arXiv:2002.08155, as fine-tuned for search).
- `graphcodebert`: the same for a query; for code its variables follow as nodes at position 0. A node attends to the
  tokens that it was read from and to the nodes that its value comes from, and starts as the mean of its tokens'
  embeddings (Guo et al. 2021, arXiv:2009.08366, section 4).
- `unixcoder`: `<s> <encoder-only> </s> tokens </s>`, the mean of all states (Guo et al. 2022, arXiv:2203.03850);
  CoCoSoDa (Shi et al. 2023, arXiv:2204.03293) is of this form.
- `codet5p`: `<s> tokens </s>`, the first state through a linear map (`proj`) (Wang et al. 2023, arXiv:2305.07922).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import SubmissionError
from harness.retrieval.embedding_cache import Embedded, Work
from harness.retrieval.encoder import device_named, head_tensors, load_model
from harness.retrieval.tokens import WIDTH_STEP, TextTokenizer

if TYPE_CHECKING:
    import torch

CodeFormat = Literal["codebert", "graphcodebert", "unixcoder", "codet5p"]
MARK_OF_QUERY = "\x02"
"""Put before a query, so that one encoder knows which of the two it reads; no text of ours has it."""
_POOLED: dict[CodeFormat, bool] = {"codebert": True, "graphcodebert": True, "unixcoder": False, "codet5p": False}
_ENCODER_ONLY = "<encoder-only>"
_FIRST_POSITION = 2
"""Of a token in RoBERTa's family, where 1 is padding and GraphCodeBERT's nodes have 0."""


@dataclass(frozen=True)
class CodeEncoderSettings:
    """What a vector depends on beside the weights."""

    format: CodeFormat
    language: str = "python"
    query_length: int = 128
    code_length: int = 256
    data_flow_length: int = 64
    normalize: bool = True
    batch_size: int = 32
    dtype: str = "float32"
    device: str = "auto"


@dataclass
class ReadText:
    """A text as an encoder reads it; nodes are the last of `ids`."""

    ids: list[int]
    was_cut: bool = False
    nodes: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Tokens that each node was read from, as places in `ids`."""
    edges: list[list[int]] = field(default_factory=list)
    """Nodes that each node's value comes from."""


class CodeTextEncoder:
    """A transformer for code. Raises `SubmissionError` for a folder without what its format needs."""

    def __init__(self, folder: Path, settings: CodeEncoderSettings) -> None:
        self._settings = settings
        self._device = device_named(settings.device)
        auto: Any = "T5EncoderModel" if settings.format == "codet5p" else "AutoModel"
        # RoBERTa's positions begin behind the padding's.
        longest = settings.code_length + (0 if settings.format == "codet5p" else _FIRST_POSITION)
        self._model = load_model(auto, folder, settings.dtype, longest, pooled=_POOLED[settings.format]).to(
            self._device
        )
        self._head = head_tensors(folder, ["proj.weight", "proj.bias"]) if settings.format == "codet5p" else {}
        pretrained = TextTokenizer(folder, settings.code_length).pretrained
        self._reader = SequenceReader(pretrained, settings)
        self._pad = int(pretrained.pad_token_id)

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Embedded:
        """Vectors [n, d] float32 of codes, and of queries, which begin with `MARK_OF_QUERY`."""
        import numpy as np
        import torch

        sequences = [self._reader(text) for text in texts]
        size = self._settings.batch_size
        vectors = np.empty((0, 0), dtype=np.float32)
        rows, widths = [0] * len(texts), [0] * len(texts)
        with torch.inference_mode():
            for places, width in _batches(sequences, size):
                states = self._vectors([sequences[place] for place in places], width).numpy()
                if not vectors.size:
                    vectors = np.empty((len(texts), states.shape[1]), dtype=np.float32)
                vectors[places] = states
                for place in places:
                    rows[place], widths[place] = len(places), width
                if done:
                    done(len(places))
        work = Work([len(s.ids) for s in sequences], sum(s.was_cut for s in sequences), rows, widths)
        return Embedded(vectors, work)

    def _vectors(self, sequences: list[ReadText], width: int) -> torch.Tensor:
        import torch

        ids = torch.tensor([s.ids + [self._pad] * (width - len(s.ids)) for s in sequences], device=self._device)
        mask = torch.tensor([[1] * len(s.ids) + [0] * (width - len(s.ids)) for s in sequences], device=self._device)
        match self._settings.format:
            case "graphcodebert":
                pooled = self._with_nodes(sequences, ids, mask)
            case "codebert":
                pooled = self._model(input_ids=ids, attention_mask=mask).pooler_output
            case "unixcoder":
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
                pooled = (states * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
            case "codet5p":
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
                weight, bias = (self._head[name].to(states) for name in ("proj.weight", "proj.bias"))
                pooled = torch.nn.functional.linear(states[:, 0], weight, bias)
        pooled = pooled.float()
        return (torch.nn.functional.normalize(pooled, dim=1) if self._settings.normalize else pooled).cpu()

    def _with_nodes(self, sequences: list[ReadText], ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        import torch

        width = ids.shape[1]
        attends = torch.stack([attention(s, width) for s in sequences]).to(self._device)
        tokens = torch.tensor([len(s.ids) - s.nodes for s in sequences], device=self._device)
        at = torch.arange(width, device=self._device)
        is_token = at < tokens[:, None]
        is_node = ~is_token & (mask == 1)
        positions = torch.where(is_token, at + _FIRST_POSITION, torch.where(is_node, 0, 1))
        embeddings = self._model.get_input_embeddings()(ids)
        read_from = (is_node[:, :, None] & is_token[:, None, :] & attends).to(embeddings.dtype)
        means = read_from @ embeddings / (read_from.sum(-1, keepdim=True) + 1e-10)
        embeddings = torch.where(is_node[:, :, None], means, embeddings)
        allowed = attends[:, None] | (mask == 0)[:, None, :, None]  # a row that attends to nothing would be NaN
        bias = torch.zeros_like(allowed, dtype=embeddings.dtype).masked_fill(
            ~allowed, torch.finfo(embeddings.dtype).min
        )
        pooled: torch.Tensor = self._model(
            inputs_embeds=embeddings, attention_mask=bias, position_ids=positions
        ).pooler_output
        return pooled


def attention(sequence: ReadText, width: int) -> torch.Tensor:
    """Who may attend to whom [width, width]: tokens to tokens, the ends to all, nodes by the data flow."""
    import torch

    allowed = torch.zeros(width, width, dtype=torch.bool)
    tokens, length = len(sequence.ids) - sequence.nodes, len(sequence.ids)
    allowed[:tokens, :tokens] = True
    allowed[0, :length] = allowed[tokens - 1, :length] = True
    for node, ((start, end), sources) in enumerate(zip(sequence.spans, sequence.edges, strict=True)):
        allowed[tokens + node, start:end] = True
        allowed[start:end, tokens + node] = True
        for source in sources:
            allowed[tokens + node, tokens + source] = True
    return allowed


class SequenceReader:
    """Turns a text into ids by the format of an encoder; `tokenizer` is one of transformers."""

    def __init__(self, tokenizer: Any, settings: CodeEncoderSettings) -> None:
        self._tokenizer, self._settings = tokenizer, settings
        self._begin = [tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id]
        self._end = [tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id]
        if settings.format == "unixcoder":
            mode = tokenizer.get_vocab().get(_ENCODER_ONLY)
            if mode is None:
                raise SubmissionError(
                    f"the tokenizer has no {_ENCODER_ONLY}", hint="UniXcoder's own has; is this `format: codebert`?"
                )
            self._begin = [*self._begin, mode, *self._end]

    def __call__(self, text: str) -> ReadText:
        """The ids of a code, or of a query behind `MARK_OF_QUERY`."""
        if text.startswith(MARK_OF_QUERY):
            return self._plain(text.removeprefix(MARK_OF_QUERY), self._settings.query_length)
        if self._settings.format == "graphcodebert":
            return self._graph(text)
        return self._plain(text, self._settings.code_length)

    def _plain(self, text: str, length: int) -> ReadText:
        ids = self._ids(text)
        room = length - len(self._begin) - len(self._end)
        return ReadText([*self._begin, *ids[:room], *self._end], len(ids) > room)

    def _graph(self, code: str) -> ReadText:
        """Tokens, then a node for each variable, as many of both as have room together."""
        from harness.source_code.data_flow import data_flow
        from harness.source_code.leaks import without_documentation
        from harness.source_code.parsing import parse

        settings = self._settings
        flow = data_flow(parse(without_documentation(code, settings.language), settings.language))
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        for place, token in enumerate(flow.tokens):
            start = len(ids)
            # A token inside of a text begins with a blank; `@` is put before it and taken off again.
            ids += self._ids(token) if place == 0 else self._ids(f"@ {token}")[1:]
            spans.append((start + 1, len(ids) + 1))
        nodes = flow.connected()
        total = settings.code_length
        kept = ids[: total - 2 - min(len(nodes), settings.data_flow_length)]
        shown = [token for token in nodes if spans[token][1] <= len(kept) + 1][: total - len(kept) - 2]
        places = {token: node for node, token in enumerate(shown)}
        return ReadText(
            ids=[*self._begin, *kept, *self._end, *[self._tokenizer.unk_token_id] * len(shown)],
            was_cut=len(kept) < len(ids),
            nodes=len(shown),
            spans=[spans[token] for token in shown],
            edges=[[places[source] for source in nodes[token] if source in places] for token in shown],
        )

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return found


def _batches(sequences: Sequence[ReadText], size: int) -> Iterator[tuple[list[int], int]]:
    """Texts of one padded length together, longest first, so that a vector does not depend on the others."""

    def width(place: int) -> int:
        return -(-len(sequences[place].ids) // WIDTH_STEP) * WIDTH_STEP

    for padded, same in groupby(sorted(range(len(sequences)), key=width, reverse=True), key=width):
        while batch := list(islice(same, size)):
            yield batch, padded
