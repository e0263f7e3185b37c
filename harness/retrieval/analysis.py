"""Text analysis for term matching: tokens, lower case, stop words, stems.

`Analyzer()` does what Lucene's `EnglishAnalyzer` does (StandardTokenizer, possessive filter, lower case, stop
filter, Porter stemmer), which is how the published BM25 figures of BEIR were made. On SciFact it finds
Lucene's 838,128 terms, 28,865 of them distinct. One known difference: Lucene cuts a token of more than 255
characters in pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Literal

TokenizerName = Literal["lucene", "words", "identifiers"]
StopListName = Literal["lucene", "none"]
StemmerName = Literal["porter", "english", "none"]

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there these they
this to was will with
"""
LUCENE_STOP_WORDS = frozenset(_STOP_WORDS.split())
"""`EnglishAnalyzer.ENGLISH_STOP_WORDS_SET`, 33 words."""

_PATTERNS = {
    "words": re.compile(r"\w+"),
    "identifiers": re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_A-Za-z]+"),
}
_APOSTROPHES = ("'", "’", "＇")


class Analyzer:
    """Turns text into terms.

    tokenizer: `lucene` splits at Unicode word boundaries (UAX 29) and drops the possessive 's; `words` takes
    runs of letters, digits and underscores; `identifiers` takes names of program code apart, at underscores, digits
    and capitals (`parseHTTPUrl_v2`: parse, http, url, v, 2). stopwords: `lucene` (33 English words) or `none`. stemmer:
    `porter` (as Lucene has it), `english` (Snowball's "Porter 2") or `none`.
    """

    def __init__(
        self,
        tokenizer: TokenizerName = "lucene",
        stopwords: StopListName = "lucene",
        stemmer: StemmerName = "porter",
    ) -> None:
        self._tokens = _lucene_tokens if tokenizer == "lucene" else _PATTERNS[tokenizer].findall
        self._stop_words = LUCENE_STOP_WORDS if stopwords == "lucene" else frozenset[str]()
        self._stem = _stemmer(stemmer)

    @staticmethod
    def chunks(text: str) -> list[str]:
        """Pieces of the text that can be analysed one by one, in order: no token ever spans a space.

        A corpus has far fewer distinct chunks than chunks, so a caller with many texts remembers their terms.
        """
        return text.split(" ")

    def terms(self, text: str) -> list[str]:
        """The terms of a text (or of a chunk), in order, with repetitions."""
        words = [_lower(token) for token in self._tokens(text)]
        return [self._stem(word) for word in words if word not in self._stop_words]


# --- Tokens -------------------------------------------------------------------------------------------------


@cache
def _token_pattern() -> Callable[[str], list[str]]:
    """UAX 29 words, and single ideographs, hiragana and emoji, as Lucene's StandardTokenizer emits them.

    Written out because `regex`'s own word boundary departs from UAX 29: it keeps an apostrophe with the vowel
    after it, as suits French, which leaves tokens such as 'UTR in 5'UTR.
    """
    import regex

    joined = r"[\p{WB=Format}\p{WB=Extend}\p{WB=ZWJ}]*"
    underscore = rf"(?:\p{{WB=ExtendNumLet}}{joined})"
    hebrew = rf"\p{{WB=Hebrew_Letter}}{joined}(?:'{joined}|\"{joined}(?=\p{{WB=Hebrew_Letter}}))?"
    letter = rf"(?:\p{{WB=ALetter}}{joined}|{hebrew})"
    digit = rf"(?:\p{{WB=Numeric}}{joined})"
    letters = rf"{letter}(?:(?:[\p{{WB=MidLetter}}\p{{WB=MidNumLet}}']{joined})?{letter})*"
    digits = rf"{digit}(?:(?:[\p{{WB=MidNum}}\p{{WB=MidNumLet}}']{joined})?{digit})*"
    run = rf"(?:(?:\p{{WB=Katakana}}{joined})+|(?:{letters}|{digits})+)"
    word = rf"{underscore}*{run}(?:{underscore}+{run})*{underscore}*"
    south_east_asian = rf"(?:\p{{LB=SA}}{joined})+"
    ideograph = rf"[\p{{Han}}\p{{Hiragana}}]{joined}"
    pictograph = r"\p{Extended_Pictographic}\p{WB=Extend}*"
    emoji = rf"{pictograph}(?:\u200d{pictograph})*|\p{{Regional_Indicator}}{{2}}"
    find: Callable[[str], list[str]] = regex.compile(f"{word}|{south_east_asian}|{ideograph}|{emoji}").findall
    return find


def _lucene_tokens(text: str) -> list[str]:
    if text.isascii() and text.isalpha():
        return [text]
    return [_without_possessive(token) for token in _token_pattern()(text)]


def _without_possessive(token: str) -> str:
    return token[:-2] if token[-1] in "sS" and token[-2:-1] in _APOSTROPHES else token


def _lower(token: str) -> str:
    """Lower case one character at a time, as Java's `Character.toLowerCase` does (no final sigma, İ as i)."""
    return token.lower() if token.isascii() else "".join(letter.lower()[0] for letter in token)


# --- Stems --------------------------------------------------------------------------------------------------

_LOG_OR_BL = re.compile(r"(.*)(?:(log)|bl)(?:ies|[iy](?:ed|ing)?s?)")
_RARELY_DOUBLED = re.compile(r"(.*([^aeioubdfglmnprstyz]))\2(?:ed|ing)s?")
_VOWEL = re.compile(r"[aeiou]|[^aeiou]y")
_VOWEL_THEN_CONSONANT = re.compile(r"[aeiou][^aeiou]|(?:[^aeiouy]|^y)y[^aeiou]")


def _stemmer(name: StemmerName) -> Callable[[str], str]:
    if name == "none":
        return str
    import Stemmer

    # The caller remembers terms, so PyStemmer's own cache would be memory for nothing.
    stem: Callable[[str], str] = Stemmer.Stemmer(name, 0).stemWord
    return stem if name == "english" else lambda word: stem(_porter_input(word)) if len(word) > 2 else word


def _porter_input(word: str) -> str:
    """What to give Snowball's Porter stemmer so that it returns what Lucene's returns for `word`.

    Lucene's follows Martin Porter's own code (tartarus.org/martin/PorterStemmer). Step 2 there maps -bli to
    -ble, not only -abli to -able, and -logi to -log; step 1b undoes every doubled consonant (trekked), and
    Snowball's only b, d, f, g, m, n, p, r and t.
    """
    if word[-1] not in "dgisy":
        return word
    if (match := _LOG_OR_BL.fullmatch(word)) and _VOWEL_THEN_CONSONANT.search(match[1]):
        return match[1] + (match[2] or "ble")
    if (match := _RARELY_DOUBLED.fullmatch(word)) and _VOWEL.search(match[1]):
        return match[1]
    return word
