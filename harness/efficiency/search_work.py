"""What searching an index takes, counted: postings of an inverted index, vectors of a flat one, nodes and codes.

Searches are limited by what they read: one query does two operations for each number that it loads, so their
operations are of kind "scan", priced by bytes.
"""

from __future__ import annotations

from harness.efficiency.ledger import Operation, Phase

_SCORE_BYTES = 4
_ID_BYTES = 4


def posting() -> Phase:
    """One entry of an inverted list: a document's number and its impact are read, and added to its accumulator.

    Accumulators stay in the cache of an ideal implementation, so they are no traffic.
    """
    entry = Operation("posting", "scan", "float32", 1.0, 1.0, float(_ID_BYTES + _SCORE_BYTES), 0.0)
    return Phase("postings", (entry,))


def candidate() -> Phase:
    """One document that holds a term of the query: its accumulator is read when the best are chosen."""
    return Phase("candidates", (Operation("select", "scan", "float32", 1.0, 0.0, float(_SCORE_BYTES), 0.0),))


def flat_scan(documents: int, dimensions: int, element_bytes: int = 4) -> Phase:
    """Inner products of one query with every vector of a flat index, and the choice of the best.

    Launching its kernels counts as a layer's.
    """
    index_bytes = float(documents * dimensions * element_bytes)
    dtype = {4: "float32", 2: "float16", 1: "int8"}[element_bytes]
    products = Operation(
        "inner_products", "scan", dtype, 1.0, 2.0 * documents * dimensions, index_bytes, float(_SCORE_BYTES * documents)
    )
    select = Operation("select", "scan", "float32", 1.0, 0.0, float(_SCORE_BYTES * documents), 0.0)
    return Phase("scan", (products, select), layers=1)


def embedding_bag(tokens: int, dimensions: int) -> Phase:
    """The mean of the static vectors of a text's tokens."""
    size = float(_SCORE_BYTES * tokens * dimensions)
    vector = float(_SCORE_BYTES * dimensions)
    mean = Operation("embedding_bag", "gather", "float32", 1.0, float(tokens * dimensions), size, vector, size)
    return Phase("encode", (mean,))


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
