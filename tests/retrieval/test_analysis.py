"""What the analyzer makes of text: Lucene's terms, which the published BM25 figures rest on."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval.analysis import LUCENE_STOP_WORDS, Analyzer

WORDS_ONLY = Analyzer(stopwords="none", stemmer="none")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The quick BROWN fox.", ["the", "quick", "brown", "fox"]),
        ("", []),
        (" . -- ?! ", []),
        # A possessive goes, in any of three apostrophes; other apostrophes inside words stay.
        ("Alzheimer's CHILD'S Crohn’s dog＇s", ["alzheimer", "child", "crohn", "dog"]),
        ("don't O'Neill d'être", ["don't", "o'neill", "d'être"]),
        ("'quoted' patients' 5'UTR", ["quoted", "patients", "5", "utr"]),
        # Separators join two digits or two letters, not one of each.
        ("1.5 1,000 3.x e.g. 10.", ["1.5", "1,000", "3", "x", "e.g", "10"]),
        ("IL-6 T-cell well-known", ["il", "6", "t", "cell", "well", "known"]),
        ("CD4+ p53 snake_case H2O", ["cd4", "p53", "snake_case", "h2o"]),
        ("a:b x/y a@b.com", ["a:b", "x", "y", "a", "b.com"]),
        # Other scripts.
        ("TGF-β1 µg naïve Größe", ["tgf", "β1", "µg", "naïve", "größe"]),
        ("cafe\u0301 x\u00b2", ["cafe\u0301", "x"]),
        ("İ ΣΟΦΟΣ", ["i", "σοφοσ"]),
        ("日本語 ひら カタカナ 한국어", ["日", "本", "語", "ひ", "ら", "カタカナ", "한국어"]),
        ("Привет, мир", ["привет", "мир"]),
        ("ภาษาไทย", ["ภาษาไทย"]),
        ("good 😀😀 👩\u200d👩\u200d👧 day", ["good", "😀", "😀", "👩\u200d👩\u200d👧", "day"]),
    ],
)
def test_lucene_tokens(text: str, terms: list[str]) -> None:
    assert WORDS_ONLY.terms(text) == terms


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("relational", "relat"),
        ("hopping", "hop"),
        ("is", "is"),
        # Where Lucene's stemmer is not the published one.
        ("virology", "virolog"),
        ("technologies", "technolog"),
        ("possibly", "possibl"),
        ("assembly", "assembl"),
        ("trekked", "trek"),
        # -logi and -bli stay where no vowel and then a consonant come before them.
        ("biology", "biologi"),
        ("nobly", "nobli"),
    ],
)
def test_porter_stems_as_lucene_has_them(word: str, stem: str) -> None:
    assert Analyzer(stopwords="none").terms(word) == [stem]


def test_snowball_english_is_another_stemmer() -> None:
    assert Analyzer(stemmer="porter").terms("skies generously") == ["ski", "gener"]
    assert Analyzer(stemmer="english").terms("skies generously") == ["sky", "generous"]


def test_stop_words_are_lucenes_33_and_are_removed_before_stemming() -> None:
    assert len(LUCENE_STOP_WORDS) == 33
    assert Analyzer().terms("THE cat is not on these mats, has it?") == ["cat", "mat", "ha"]


def test_words_tokenizer_takes_runs_of_letters_and_digits() -> None:
    analyzer = Analyzer("words", "none", "none")
    assert analyzer.terms("Don't pay 1.5 € for β-blockers_x!") == [
        "don", "t", "pay", "1", "5", "for", "β", "blockers_x",
    ]  # fmt: skip


@given(st.text(alphabet=st.sampled_from(" \n\tab'’sS.,:1_-é\u0301\u200e\u200d😀日かカก²\u00a0\u202f\"א"), max_size=40))
@pytest.mark.parametrize("tokenizer", ["lucene", "words"])
def test_chunks_can_be_analysed_one_by_one(tokenizer: str, text: str) -> None:
    analyzer = Analyzer(tokenizer, stopwords="none", stemmer="none")  # type: ignore[arg-type]
    apart = [term for chunk in analyzer.chunks(text) for term in analyzer.terms(chunk)]
    assert apart == analyzer.terms(text)


@pytest.mark.data
def test_scifact_has_the_terms_that_lucene_finds(data_root: Path) -> None:
    """838,128 terms is published with Anserini's SciFact index; 28,865 distinct ones by Lucene's own count."""
    analyzer = Analyzer()
    remembered: dict[str, list[str]] = {}
    total, distinct = 0, set()
    with (data_root / "beir" / "scifact" / "corpus.jsonl").open("rb") as lines:
        for document in map(json.loads, lines):
            for chunk in analyzer.chunks(f"{document['title']} {document['text']}"):
                terms = remembered.setdefault(chunk, remembered.get(chunk) or analyzer.terms(chunk))
                total += len(terms)
                distinct.update(terms)
    assert (total, len(distinct)) == (838_128, 28_865)
