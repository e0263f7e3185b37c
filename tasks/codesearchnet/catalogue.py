"""The protocols that go by the name of CodeSearchNet, each under a name of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.contract import Suite
from tasks.codesearchnet import cosqa, mbpp, official
from tasks.codesearchnet.challenge_scorer import DEPTH, ChallengeScorer, ChallengeScoring
from tasks.codesearchnet.csn99 import Csn99
from tasks.codesearchnet.layout import BeirLayout
from tasks.codesearchnet.pair_scorer import Rules, metrics
from tasks.codesearchnet.pair_scoring import PairScoring
from tasks.codesearchnet.pairs import Pypi
from tasks.codesearchnet.reco import Apps, Conala
from tasks.codesearchnet.stdlib import StandardLibrary
from tasks.codesearchnet.task import CodeSearchTask
from tasks.codesearchnet.variants import FROM_DOCSTRINGS, OFFICIAL, Variant

LANGUAGES = ("go", "java", "javascript", "php", "python", "ruby")
_NO_CUT = PairScoring(Rules(cut=None))
_PROXY = PairScoring(Rules(cut=None, ties="pessimistic"))
_MTEB = PairScoring(Rules(cut=None, primary="nDCG@10"))
_SHARED = "docs/codesearch.md says what it is made of and its sha256."
_MIRRORS = "Mirrors of the official files are in docs/codesearch.md."
_MTEB_FILES = "Export the set from MTEB in BEIR layout; docs/codesearch.md has the steps."


def tasks() -> list[CodeSearchTask]:
    """All of them, without touching a file."""
    return [
        *in_variants(_STDLIB, FROM_DOCSTRINGS),
        *in_variants(_COSQA, OFFICIAL),
        *(task for language in LANGUAGES for task in in_variants(_csn99(language), OFFICIAL)),
        *in_variants(_MBPP, OFFICIAL),
        _CONALA,
        _APPS,
        *in_variants(_PYPI, FROM_DOCSTRINGS),
        _PYPI_SPLIT,
        *map(_challenge, LANGUAGES),
        *map(_proxy, LANGUAGES),
        *map(_filtered, LANGUAGES),
        _ADVTEST,
        *(make(language) for make in (_mteb, _mteb_cc, _mteb_coir) for language in LANGUAGES),
        _MTEB_COSQA,
    ]


def suites() -> list[Suite]:
    """Means over the six languages, never over pooled queries."""

    def suite(protocol: str, scoring: PairScoring | ChallengeScoring) -> Suite:
        return Suite(
            name=f"codesearchnet/{protocol}",
            members=tuple(f"codesearchnet/{protocol}/{language}" for language in LANGUAGES),
            metrics=ChallengeScorer.metrics if isinstance(scoring, ChallengeScoring) else metrics(scoring.rules),
            description=f"The mean over the six languages of {protocol}.",
        )

    return [
        suite("csn99-pooled", ChallengeScoring()),
        suite("challenge", ChallengeScoring()),
        suite("filtered", PairScoring()),
        suite("proxy-1000", _PROXY),
        *(suite(name, _MTEB) for name in ("mteb", "mteb-cc", "mteb-coir")),
    ]


def in_variants(task: CodeSearchTask, variants: Sequence[Variant]) -> Iterator[CodeSearchTask]:
    """The task as it is, and under a longer name in each variant."""
    for variant in variants:
        name = f"{task.name}/{variant.name}" if variant.name else task.name
        yield replace(task, name=name, variant=variant)


_STDLIB = CodeSearchTask(
    name="codesearchnet/stdlib",
    about="Functions of the standard library of the Python that runs, by the first paragraph of their docstrings. "
    "Another Python version is another task.",
    protocol="csn-pairs-1",
    source=StandardLibrary(),
    scoring=_NO_CUT,
    generated=True,
    licence="PSF-2.0",
)
_COSQA = CodeSearchTask(
    name="codesearchnet/cosqa",
    about="500 web queries, 6,267 Python functions with their docstrings, as CoSQA's retrieval test has them.",
    protocol="cosqa-1",
    source=cosqa.CosQa(),
    licence="C-UDA (data), MIT (code)",
    citation=cosqa.CITATION,
    url="https://github.com/Jun-jie-Huang/CoCLR",
    how_to_get="The files of data/search of Jun-jie-Huang/CoCLR, unchanged.",
)
_MBPP = CodeSearchTask(
    name="codesearchnet/mbpp",
    about="500 programming tasks in a sentence, each asked for among their 500 solutions, as ReCo has them.",
    protocol="mbpp-search-1",
    source=mbpp.Mbpp(),
    scoring=_NO_CUT,
    licence="CC BY 4.0",
    citation=mbpp.CITATION,
    url="https://github.com/Alex-HaochenLi/ReCo",
    how_to_get="mbpp.jsonl of google-research-datasets/mbpp, 974 tasks.",
)
_CONALA = replace(
    _MBPP,
    name="codesearchnet/conala",
    about="500 intents of CoNaLa's test file, each asked for among their 500 snippets, as ReCo has them.",
    protocol="conala-search-1",
    source=Conala(),
    licence="CC BY-SA 4.0",
    how_to_get="conala-test.json of CoNaLa 1.1 (conala-corpus.github.io).",
)
_APPS = replace(
    _MBPP,
    name="codesearchnet/apps",
    about="Problems of APPS, each asked for among their solutions, as ReCo has them.",
    protocol="apps-search-1",
    source=Apps(),
    licence="MIT",
    how_to_get="ori-query.json and ori-code.json of data/apps of Alex-HaochenLi/ReCo.",
)
_PYPI = CodeSearchTask(
    name="codesearchnet/pypi",
    about="1,000 first paragraphs of docstrings, 10,441 functions of seven Python packages without docstrings. "
    "A smoke and scale test, no substitute for CodeSearchNet.",
    protocol="csn-pairs-1",
    source=Pypi(queries=1000),
    scoring=_NO_CUT,
    licence="BSD, Apache-2.0 (the packages')",
    how_to_get=_SHARED,
)
_PYPI_SPLIT = replace(
    _PYPI,
    name="codesearchnet/pypi-split",
    about="Functions of django and networkx by the first paragraphs of their docstrings; to train on, those of numpy, "
    "pandas and scikit-learn, and to select on, those of requests and flask.",
    source=Pypi(),
    variant=FROM_DOCSTRINGS[0],
)
_ADVTEST = CodeSearchTask(
    name="codesearchnet/advtest",
    about="CodeXGLUE's AdvTest: 19,210 Python functions with masked names, each by its documentation. Dev and test of "
    "CodeSearchNet split anew, so no other protocol's test.",
    protocol="advtest-1",
    source=official.AdvTest(),
    scoring=_NO_CUT,
    url="https://github.com/microsoft/CodeXGLUE",
    how_to_get=f"test.jsonl as Text-Code/NL-code-search-Adv of CodeXGLUE makes it. {_MIRRORS}",
)
_MTEB_COSQA = CodeSearchTask(
    name="codesearchnet/mteb-cosqa",
    about="CoSQA as MTEB and CoIR have it: 20,604 documents of only 6,267 distinct texts, one of the copies right. Its "
    "scores are far below those of codesearchnet/cosqa for that reason; RR_distinct counts copies once.",
    protocol="mteb-code-1",
    source=BeirLayout("mteb-cosqa", "python", 20_604, 500),
    scoring=_MTEB,
    marks=("repeated documents",),
    citation=cosqa.CITATION,
    how_to_get=_MTEB_FILES,
)


def _csn99(language: str) -> CodeSearchTask:
    return CodeSearchTask(
        name=f"codesearchnet/csn99-pooled/{language}",
        about=f"The challenge's 99 queries over the judged functions in {language} and others of the same files. "
        "A pool, so no score of the challenge compares.",
        protocol="csn99-pooled-1",
        source=Csn99(language),
        scoring=ChallengeScoring(),
        depth=DEPTH,
        marks=("pooled candidates",),
        how_to_get=_SHARED,
    )


def _challenge(language: str) -> CodeSearchTask:
    return CodeSearchTask(
        name=f"codesearchnet/challenge/{language}",
        about=f"CodeSearchNet's challenge: 99 queries, all {official.FUNCTIONS[language]:,} functions in {language}.",
        protocol="csn-challenge-1",
        source=official.Challenge(language),
        scoring=ChallengeScoring(),
        depth=DEPTH,
        how_to_get=f"The functions as JSON lines (url, function, language). {_MIRRORS}",
    )


def _proxy(language: str) -> CodeSearchTask:
    return CodeSearchTask(
        name=f"codesearchnet/proxy-1000/{language}",
        about=f"CodeSearchNet's proxy in {language}: the documentation of a test function asks for it among the "
        "1,000 of its batch.",
        protocol="csn-proxy-1",
        source=official.Proxy(language),
        scoring=_PROXY,
        how_to_get=f"{language}_test_0.jsonl.gz of the official files. {_MIRRORS}",
    )


def _filtered(language: str) -> CodeSearchTask:
    queries, candidates = official.FILTERED[language]
    return CodeSearchTask(
        name=f"codesearchnet/filtered/{language}",
        about=f"GraphCodeBERT's filtered set, which UniXcoder and CoCoSoDa report: {queries:,} documentations, "
        f"{candidates:,} functions in {language} of dev and test; ranks beyond 1,000 count 0.",
        protocol="csn-filtered-1",
        source=official.Filtered(language),
        url="https://github.com/microsoft/CodeBERT/tree/master/GraphCodeBERT/codesearch",
        how_to_get=f"test.txt, codebase.txt and final/jsonl of GraphCodeBERT's dataset.zip. {_MIRRORS}",
    )


def _mteb(language: str) -> CodeSearchTask:
    return CodeSearchTask(
        name=f"codesearchnet/mteb/{language}",
        about=f"MTEB's CodeSearchNetRetrieval in {language}: 1,000 documentations, 1,000 functions.",
        protocol="mteb-code-1",
        source=BeirLayout(f"mteb/{language}", language, 1000, 1000),
        scoring=_MTEB,
        how_to_get=_MTEB_FILES,
    )


def _mteb_cc(language: str) -> CodeSearchTask:
    return CodeSearchTask(
        name=f"codesearchnet/mteb-cc/{language}",
        about=f"MTEB's CodeSearchNetCCRetrieval in {language}: the beginning of a function asks for its rest.",
        protocol="mteb-code-1",
        source=BeirLayout(f"mteb-cc/{language}", language),
        scoring=_MTEB,
        how_to_get=_MTEB_FILES,
    )


def _mteb_coir(language: str) -> CodeSearchTask:
    return CodeSearchTask(
        name=f"codesearchnet/mteb-coir/{language}",
        about=f"MTEB's COIRCodeSearchNetRetrieval in {language}: code asks for its summary, the other way round.",
        protocol="mteb-code-1",
        source=BeirLayout(f"mteb-coir/{language}"),
        scoring=_MTEB,
        marks=("code to text",),
        how_to_get=_MTEB_FILES,
    )
