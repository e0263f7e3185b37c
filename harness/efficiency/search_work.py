"""What searching an index takes, counted: postings of an inverted index, vectors of a flat one, nodes and codes.

Each function counts one unit (a query, a posting, a candidate, a visited vector), so that a phase is their sum. Kinds
of operations are kept apart, because they are priced differently:

- what any implementation has to do: "scan" reads a stretch of memory, "gather" reads or writes here and there;
- "temporary": arrays that NumPy writes and reads again between two calls, counted call by call in `harness.retrieval`,
  and "pass": once more over what was read already. A fused loop has neither;
- "call": work of the interpreter for every query, term or hit, in calls of a NumPy function.

What is NumPy's own is free in the bound, and in stacks that are another program (`Stack.prices_host_work`).
"""

from __future__ import annotations

import math

import msgspec

from harness.efficiency.ledger import Operation, OperationKind, Phase

_SCORE_BYTES = 4
_ID_BYTES = 4
_ACCUMULATOR_BYTES = 8

_CALLS_OF_A_QUERY = 20
"""Of `TermSearch.best` and the answer around it, whatever the query."""
_CALLS_OF_A_TERM = 7
"""Three slices of its list, and four of text analysis."""
_CALLS_OF_A_NEW_CHUNK, _CALLS_OF_AN_INDEXED_TERM = 11, 0.13
"""Of text analysis while a corpus is read; measured on SciFact, CACM and Cranfield."""
_CALLS_OF_A_HIT = 0.15
"""Looking up its id, which lies anywhere in memory, and boxing id and score: a few bytecodes."""
_CALLS_OF_A_TEXT, _CALLS_OF_A_TOKEN = 12, 1.2
"""Of a static encoder: a token is found in about the time of a call."""
_CALLS_OF_A_SEARCH = 40
_CALLS_OF_A_TILE = 35
_CALLS_OF_A_RESCORED_TILE = 45
"""Of `exact_search`: whatever the corpus, for each tile of it, and more if any document of the tile is scored again."""
_TILE = 4096
"""Documents of a tile there."""
_FEWEST_COLUMNS = 512
"""Of `TermSearch`'s bound on the best scores."""


# --- Inverted index ---------------------------------------------------------------------------------------------


def query_terms(terms: float) -> Phase:
    """So many terms of a query: analysed, looked up, and their lists handed to NumPy."""
    return Phase("terms", (_calls("terms", _CALLS_OF_A_TERM * terms),))


def posting() -> Phase:
    """One entry of an inverted list: a document's number and its impact are read, and added to its accumulator.

    NumPy joins the lists before that: numbers (4 bytes read, 4 written), and impacts as float64 (4, 8).
    """
    read, written = _ID_BYTES + _SCORE_BYTES + _ACCUMULATOR_BYTES, _ACCUMULATOR_BYTES
    return Phase("postings", (_moved("posting", "gather", read, written), _moved("join", "pass", 8, 12)))


def candidate() -> Phase:
    """One document that holds a term of the query, for an index that looks at those alone: its score is read."""
    return Phase("candidates", (_moved("select", "scan", _SCORE_BYTES, 0),))


def query(documents: int, depth: int, candidates: float = math.inf) -> Phase:
    """What a query takes beside its terms and postings: accumulators of all documents, and the choice of the best.

    Accumulators are cleared and read once; what NumPy does with their narrowed copy is vectorised, and not counted. If
    there are more candidates than asked for, a bound on the scores of the best is found first: the largest of each of
    at least twice as many columns are sorted, and about ln 2 of the columns' number reach the middle one.
    """
    size = float(_ACCUMULATOR_BYTES * documents)
    columns = max(2 * depth, _FEWEST_COLUMNS)
    bounded = candidates > depth and documents >= 2 * columns
    kept = min(candidates, documents, math.log(2) * 2 * depth if bounded else math.inf)
    hits = min(kept, depth)
    return Phase(
        "query",
        (
            _moved("accumulators", "scan", size, size),
            *([_times(_moved("bound", "temporary", 88, 88), columns)] if bounded else []),
            _times(_moved("keys", "temporary", 88, 68), kept),
            _times(_moved("answer", "temporary", 100, 60), hits),
            _calls("query", _CALLS_OF_A_QUERY + _CALLS_OF_A_HIT * hits),
        ),
    )


def indexing(terms: int, postings: int, analysed: int) -> Phase:
    """Inverted lists of a whole corpus: so many terms occur in it, and so many chunks of its text were analysed.

    Any implementation has every occurrence in hand once (4 bytes written and read) and writes every posting, in an
    order other than it came in. Ours analyses a chunk of text when it first comes, in about eight microseconds, looks
    it up later, and sorts occurrences as numbers of 8 bytes (some 100 bytes of passes for each). The text itself is not
    counted.
    """
    return Phase(
        "index",
        (
            _times(_moved("term", "scan", _ID_BYTES, _ID_BYTES), terms),
            _times(_posting_written(), postings),
            _times(_moved("sort", "temporary", 60, 40), terms),
            _calls("analyse", _CALLS_OF_A_NEW_CHUNK * analysed + _CALLS_OF_AN_INDEXED_TERM * terms),
        ),
    )


def inverting(postings: int) -> Phase:
    """Inverted lists of weights that a model gave each document: every entry is read where it is and written apart."""
    read = _times(_moved("weight", "scan", _ID_BYTES + _SCORE_BYTES, 0), postings)
    sort = _times(_moved("sort", "temporary", 60, 40), postings)
    return Phase("index", (read, _times(_posting_written(), postings), sort, _calls("invert", _CALLS_OF_A_SEARCH)))


def inverted_index_search(documents: int, depth: int, terms: float, postings: float, candidates: float) -> Phase:
    """A whole query: what it takes once, and so many times each of its parts."""
    parts = ((query(documents, depth, candidates), 1.0), (query_terms(terms), 1.0), (posting(), postings))
    return Phase("search", tuple(_times(o, times) for phase, times in parts for o in phase.operations))


# --- Vectors ----------------------------------------------------------------------------------------------------


def flat_scan(documents: int, dimensions: int, element_bytes: int = 4, depth: int = 100) -> Phase:
    """Inner products of one query with every vector of a flat index, and the choice of the best `depth`.

    On an accelerator launching its kernels counts as a layer's. On a host this is `harness.retrieval.exact_search`.
    """
    select = _moved("select", "scan", _SCORE_BYTES * documents, 0)
    operations = (
        _products(documents, dimensions, element_bytes),
        select,
        *_beside_the_products(documents, dimensions, element_bytes, depth),
    )
    return Phase("scan", operations, layers=1)


def _beside_the_products(documents: int, dimensions: int, element_bytes: int, depth: int) -> list[Operation]:
    """What `exact_search` does around the products of one query, tile by tile.

    Norms are a pass of their own over each tile. Products are compared with the score to beat (5 bytes a document); in
    the first tile that score is found by partition. What may beat it is scored again in float64, from 8 bytes of the
    query, 4 of the document and 36 of the products and their sums by halves for each dimension, and merged into the
    best so far (6 passes over 8 bytes for each of them).
    """
    tiles = math.ceil(documents / _TILE)
    first = min(documents, _TILE)
    beating = _expected_to_beat(documents, depth)
    rescored, touched = sum(beating), sum(min(1.0, expected) for expected in beating)
    tile_bytes = first * dimensions * element_bytes
    calls = _CALLS_OF_A_SEARCH + _CALLS_OF_A_TILE * tiles + _CALLS_OF_A_RESCORED_TILE * touched
    return [
        _times(_moved("norms", "pass", tile_bytes, _SCORE_BYTES * first), documents / first),
        _moved("compare", "temporary", 3 * documents, 2 * documents),
        _moved("first_threshold", "temporary", 20 * first, 16 * first),
        _times(_moved("score_again", "pass", 28 * dimensions, 20 * dimensions), rescored),
        _times(_moved("merge", "temporary", 24 * depth, 24 * depth), touched),
        _calls("search", calls + _CALLS_OF_A_HIT * min(documents, depth)),
    ]


def embedding_bag(tokens: int, dimensions: int) -> Phase:
    """The mean of the static vectors of a text's tokens; on a host, finding the tokens takes longer than that."""
    size = float(_SCORE_BYTES * tokens * dimensions)
    vector = float(_SCORE_BYTES * dimensions)
    mean = Operation("embedding_bag", "gather", "float32", 1.0, float(tokens * dimensions), size, vector, size)
    return Phase("encode", (mean, _calls("tokenize", _CALLS_OF_A_TEXT + _CALLS_OF_A_TOKEN * tokens)))


def vector(dimensions: int) -> Phase:
    """The inner product of a query with one vector that a graph leads to."""
    size = float(_SCORE_BYTES * dimensions)
    return Phase("vectors", (Operation("inner_product", "scan", "float32", 1.0, 2.0 * dimensions, size, 0.0),))


def graph_node(links: int) -> Phase:
    """The links of one node of a graph of neighbours."""
    return Phase("nodes", (Operation("links", "scan", "float32", 1.0, 0.0, float(_ID_BYTES * links), 0.0),))


def code(code_bytes: int) -> Phase:
    """One product-quantised vector: its id and its bytes are read, and a table's entry, in cache, for each byte."""
    size = float(2 * _ID_BYTES + code_bytes)
    return Phase("codes", (Operation("code", "scan", "float32", 1.0, float(code_bytes), size, 0.0),))


def tables(dimensions: int, centroids: int = 256) -> Phase:
    """Inner products of the parts of a query with every centroid of a product quantiser."""
    entry = Operation(
        "tables",
        "scan",
        "float32",
        1.0,
        2.0 * dimensions * centroids,
        float(_SCORE_BYTES * dimensions * centroids),
        0.0,
    )
    return Phase("tables", (entry,))


def _expected_to_beat(documents: int, depth: int) -> list[float]:
    """How many documents of each tile `exact_search` scores a second time, if they come in random order.

    All of a first tile that has not twice as many as are asked for, else the best of it; of a later tile those that
    are among the best so far.
    """
    first = min(documents, _TILE)
    later = range(_TILE, documents, _TILE)
    of_later = [min(float(depth), min(_TILE, documents - seen) * depth / seen) for seen in later]
    return [float(first if first <= 2 * depth else depth), *of_later]


def _products(vectors: int, dimensions: int, element_bytes: int) -> Operation:
    """Of one query with so many vectors: each number that is read is used once, so bytes are what they cost."""
    index_bytes = float(vectors * dimensions * element_bytes)
    dtype = {4: "float32", 2: "float16", 1: "int8"}[element_bytes]
    flops, written = 2.0 * vectors * dimensions, float(_SCORE_BYTES * vectors)
    return Operation("inner_products", "scan", dtype, 1.0, flops, index_bytes, written, index_bytes)


def _posting_written() -> Operation:
    """One entry of an inverted list as it is put in its place: the document's number and its impact."""
    return _moved("posting", "gather", 0, _ID_BYTES + _SCORE_BYTES)


def _moved(name: str, kind: OperationKind, read: float, written: float) -> Operation:
    return Operation(name, kind, "float32", 1.0, 0.0, float(read), float(written))


def _times(operation: Operation, count: float) -> Operation:
    return msgspec.structs.replace(operation, count=operation.count * count)


def _calls(name: str, count: float) -> Operation:
    return Operation(name, "call", "", float(count), 0.0, 0.0, 0.0)
