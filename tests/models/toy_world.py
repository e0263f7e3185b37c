"""A small language in which documents and queries never share a word, and tiny BERTs that learn it from examples.

Each of eight concepts has a word that documents use and another that queries use. A document is about three concepts, a
query asks for two of them. Which words belong together has to be learnt: chance and term matching are the floors.
The combinations that the tests ask about are kept out of training.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from harness.contract import Corpus, Cost, Document, Example, Inputs, LabelledSet, Ranking, Request, Resources

CONCEPTS = range(8)
FILLERS = ["the", "of", "and"]
MARKS = [".", ",", "!"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"]
IN_DOCUMENTS = [f"doc{name}" for name in "abcdefgh"]
IN_QUERIES = [f"ask{name}" for name in "abcdefgh"]
WORDS = [*SPECIAL, *MARKS, *FILLERS, *IN_DOCUMENTS, *IN_QUERIES]

_TRIPLES = list(combinations(CONCEPTS, 3))
random.Random(0).shuffle(_TRIPLES)
HELD_OUT, SEEN = _TRIPLES[:18], _TRIPLES[18:]


def document_of(triple: Sequence[int], order: random.Random) -> str:
    words = [IN_DOCUMENTS[concept] for concept in triple] + order.sample(FILLERS, 2)
    order.shuffle(words)
    return " ".join(words) + " ."


def query_of(pair: Sequence[int], order: random.Random) -> str:
    words = [IN_QUERIES[concept] for concept in pair]
    order.shuffle(words)
    return " ".join(words)


def documents() -> list[Document]:
    """Eighteen documents that no model was trained on."""
    order = random.Random(1)
    return [Document(id=f"d{number:02}", text=document_of(triple, order)) for number, triple in enumerate(HELD_OUT)]


def questions() -> list[Example]:
    """A query for each pair of concepts that some document is about; its id says which."""
    order = random.Random(2)
    pairs = sorted({pair for triple in HELD_OUT for pair in combinations(triple, 2)})
    return [Example(f"q{pair[0]}{pair[1]}", query_of(pair, order)) for pair in pairs]


def answers(query_id: str, document_id: str) -> bool:
    """Whether the document is about both concepts of the query."""
    return {int(query_id[1]), int(query_id[2])} <= set(HELD_OUT[int(document_id[1:])])


def answered_first(rankings: Iterable[tuple[str, Ranking]]) -> float:
    """Share of queries whose first document answers them; chance is one in nine."""
    firsts = [answers(query, ranking.ids[0]) if ranking.ids else False for query, ranking in rankings]
    return sum(firsts) / len(firsts)


def resources_of(
    folder: Path,
    documents: Sequence[Document],
    *,
    depth: int = 20,
    charged: list[Cost] | None = None,
    train: LabelledSet | None = None,
) -> Resources:
    """What a model is given to prepare from."""
    path = folder / "corpus.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(document) + b"\n" for document in documents))
    corpus = Corpus(str(path), len(documents), "digest")
    charge = ([] if charged is None else charged).append
    inputs = Inputs(Request(depth=depth), corpus, train=train)
    return Resources(inputs, [], folder / "scratch", folder / "cache", charge=charge)


# --- Models that learn the language ---------------------------------------------------------------------------------


def tokenizer(folder: Path) -> Any:
    """The word-level tokenizer of the language, saved in the folder."""
    from transformers import BertTokenizer

    (folder / "vocab.txt").write_text("\n".join(WORDS))
    made = BertTokenizer.from_pretrained(folder)
    made.save_pretrained(folder)
    return made


def config(layers: int = 1, spread: float = 0.1, **more: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=spread,
        **more,
    )


def seed() -> None:
    """Threads gain a tiny model nothing, and lose it much on a busy machine."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)


def train_splade(folder: Path) -> Path:
    """A masked LM whose term weights make documents answer queries, few terms a text."""
    import torch
    from transformers import BertForMaskedLM

    seed()
    tokens, model = tokenizer(folder), BertForMaskedLM(config())

    def weights(texts: Sequence[str]) -> Any:
        inputs = tokens(texts, padding=True, return_tensors="pt")
        hidden = inputs["attention_mask"][..., None] == 0
        return torch.log1p(torch.relu(model(**inputs).logits.masked_fill(hidden, -1e4).amax(1)))

    def loss(queries: list[str], texts: list[str], relevant: Any) -> Any:
        asked, found = weights(queries), weights(texts)
        sparsity = (asked.mean(0) ** 2).sum() + (found.mean(0) ** 2).sum()
        return contrast(asked @ found.T, relevant) + 0.01 * sparsity

    learn(model.parameters(), loss, steps=300)
    model.save_pretrained(folder)
    return folder


def train_colbert(folder: Path) -> Path:
    """An encoder and a linear map to eight dimensions, in which words of a concept are near each other."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertModel

    seed()
    tokenizer(folder)
    model = BertModel(config(), add_pooling_layer=False)
    projection = torch.nn.Linear(32, 8, bias=False)

    def vectors(texts: Sequence[str], marker: str, length: int) -> tuple[Any, Any]:
        rows = [[WORDS.index(word) for word in f"[CLS] {marker} {text} [SEP]".split()] for text in texts]
        ids = torch.full((len(rows), length), WORDS.index("[MASK]"))
        mask = torch.zeros_like(ids)  # nothing attends to what fills a text up
        for place, row in enumerate(rows):
            ids[place, : len(row)], mask[place, : len(row)] = torch.tensor(row), 1
        states = projection(model(input_ids=ids, attention_mask=mask).last_hidden_state)
        return torch.nn.functional.normalize(states, dim=-1), mask

    def loss(queries: list[str], texts: list[str], relevant: Any) -> Any:
        (asked, _), (found, mask) = vectors(queries, "[unused0]", 8), vectors(texts, "[unused1]", 10)
        products = torch.einsum("qid,kjd->qkij", asked, found).masked_fill(mask[None, :, None, :] == 0, -2)
        return contrast(5 * products.amax(-1).sum(-1), relevant)

    learn([*model.parameters(), *projection.parameters()], loss, steps=80)
    model.save_pretrained(folder)
    tensors = {f"bert.{name}": tensor for name, tensor in model.state_dict().items()}
    save_file(tensors | {"linear.weight": projection.weight.detach()}, folder / "model.safetensors")
    return folder


def train_cross_encoder(folder: Path) -> Path:
    """A classifier that reads a query with a document and says how many of the query's concepts are in it."""
    import torch
    from transformers import BertForSequenceClassification

    seed()
    tokens, model = tokenizer(folder), BertForSequenceClassification(config(layers=2, spread=0.2, num_labels=1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    order = random.Random(3)
    for _ in range(600):
        queries, texts, shared = zip(*[_pair(order) for _ in range(64)], strict=True)
        inputs = tokens(list(queries), list(texts), padding=True, return_tensors="pt")
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(**inputs).logits[:, 0], torch.tensor(shared) - 1.0).backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


def _pair(order: random.Random) -> tuple[str, str, int]:
    triple, shared = order.choice(SEEN), order.choice([0, 1, 2])
    others = [concept for concept in CONCEPTS if concept not in triple]
    pair = order.sample(triple, shared) + order.sample(others, 2 - shared)
    return query_of(pair, order), document_of(triple, order), shared


def learn(parameters: Iterable[Any], loss: Callable[[list[str], list[str], Any], Any], steps: int) -> None:
    """Adam on fresh queries and documents; `loss` also gets which document answers which query."""
    import torch

    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    order = random.Random(3)
    for _ in range(steps):
        triples = [order.choice(SEEN) for _ in range(32)]
        pairs = [order.sample(triple, 2) for triple in triples]
        relevant = torch.tensor([[set(pair) <= set(triple) for triple in triples] for pair in pairs])
        optimizer.zero_grad()
        queries = [query_of(pair, order) for pair in pairs]
        loss(queries, [document_of(triple, order) for triple in triples], relevant).backward()
        optimizer.step()


def contrast(scores: Any, relevant: Any) -> Any:
    """Mean of -log of the share of relevant documents under the softmax of each row."""
    import torch

    shares = torch.log_softmax(scores, dim=1).masked_fill(~relevant, -torch.inf)
    return -torch.logsumexp(shares, dim=1).mean()
