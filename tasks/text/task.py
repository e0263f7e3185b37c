"""`text/bits-per-byte`, and text files of the user's own under the same protocol."""

from __future__ import annotations

import hashlib
import lzma
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract import (
    DataStatus,
    Example,
    Failure,
    FloatArray,
    Inputs,
    Line,
    LogLikelihood,
    Metric,
    Places,
    Prediction,
    TaskCard,
    Workload,
)
from harness.digest import combined_digest
from harness.errors import DataError, InvalidPrediction
from harness.metrics.aggregate import ratio
from tasks.text.passages import passages

PROTOCOL = "text-1"
_MOST_FILE_BYTES = 64 << 20
_EMBEDDED_PASSAGES = 40
_BITS_OF_A_BYTE = 8.0
"""What an unanswered passage counts: all bytes equally likely."""

METRICS = (
    Metric(
        "bits_per_byte",
        ratio("bits", "bytes"),
        higher_is_better=False,
        description="Negative log2 of the probability that the model gives the text, over its bytes in UTF-8.",
    ),
)


@dataclass(frozen=True)
class TextTask:
    """The beginning of the language reference that every Python has for its `help()`."""

    @property
    def card(self) -> TaskCard:
        return _card(
            "text/bits-per-byte",
            "How well a language model foresees text: the first passages of the language reference of the Python that "
            "runs, as its help() shows it. Another Python version is another task. `text:FILE` takes any text.",
            licence="PSF-2.0",
        )

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "the help topics of this Python")

    def load(self, places: Places) -> Workload:
        from pydoc_data.topics import topics

        text = "\n\n".join(topics[name] for name in sorted(topics))
        return workload(list(islice(passages(text), _EMBEDDED_PASSAGES)))


@dataclass(frozen=True)
class TextFileTask:
    """A text file, as a task named `text:<name of the file>`."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> TextFileTask:
        """Raises `DataError` if there is no such file."""
        path = path.expanduser().resolve()
        if not path.is_file():
            raise DataError(f"there is no file {path}", hint="Give a text file in UTF-8: --task text:book.txt")
        return cls(path)

    @property
    def card(self) -> TaskCard:
        return _card(f"text:{self.path.stem}", "How well a language model foresees a text of the user's own.")

    def status(self, places: Places) -> DataStatus:
        if self.path.is_file():
            return DataStatus("here", str(self.path))
        return DataStatus("manual", str(self.path), "the file is gone")

    def load(self, places: Places) -> Workload:
        """Raises `DataError` for a file that is empty, too large, or not UTF-8, with the place of the first fault."""
        try:
            if self.path.stat().st_size > _MOST_FILE_BYTES:
                raise DataError(f"{self.path} is larger than {_MOST_FILE_BYTES >> 20} MB", hint="Take a part of it.")
            text = self.path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path} is not UTF-8: byte {error.start:,}", hint="Convert it, with iconv say."
            ) from error
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror}") from error
        if not text:
            raise DataError(f"{self.path} is empty")
        return workload(list(passages(text)))


def workload(pieces: Sequence[str]) -> Workload:
    """Passages, each to be read by itself from the start of a document; repeated ones are asked each time."""
    texts = {f"p{number:06}": piece for number, piece in enumerate(pieces)}
    whole = "".join(pieces).encode()
    digest = hashlib.sha256("\0".join(pieces).encode()).hexdigest()
    return Workload(
        inputs=Inputs(),
        examples=[Example(id, piece) for id, piece in texts.items()],
        scorer=BitsScorer({id: len(piece.encode()) for id, piece in texts.items()}),
        digest=combined_digest(protocol=PROTOCOL, passages=digest),
        facts={"passages": len(pieces), "bytes": len(whole)},
        lines=_lines(whole),
    )


class BitsScorer:
    """Bits of each passage; one without an answer counts 8 bits for each byte."""

    metrics: Sequence[Metric] = METRICS

    def __init__(self, byte_counts: Mapping[str, int]) -> None:
        self._bytes = byte_counts

    def check(self, prediction: Prediction) -> None:
        """Raises `InvalidPrediction` unless it is a probability of just this passage, or a `Failure`."""
        match prediction.output:
            case Failure():
                return
            case LogLikelihood(nats, count) if math.isfinite(nats) and nats <= 1e-6:
                if count == self._bytes[prediction.id]:
                    return
                raise InvalidPrediction(
                    f"the log-likelihood of {prediction.id!r} is of {count} bytes; it has {self._bytes[prediction.id]}",
                    hint="Count the bytes of the whole passage in UTF-8.",
                )
        raise InvalidPrediction(
            f"{prediction.id!r} was not answered with the logarithm of a probability",
            hint="The task asks for LogLikelihood(nats, byte_count), nats finite and not above 0.",
        )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Bits and bytes of each passage: name → [n]."""
        counts = np.array([self._bytes[id] for id in example_ids], dtype=np.float64)
        bits = [_bits(predictions.get(id), self._bytes[id]) for id in example_ids]
        return {"bits": np.array(bits, dtype=np.float64), "bytes": counts}

    def gold(self, example_id: str) -> dict[str, Any]:
        """How many bytes the passage has."""
        return {"bytes": self._bytes[example_id]}


def _bits(prediction: Prediction | None, count: int) -> float:
    match prediction.output if prediction else None:
        case LogLikelihood(nats, _):
            return max(0.0, -nats) / math.log(2)
    return _BITS_OF_A_BYTE * count


def _lines(data: bytes) -> tuple[Line, ...]:
    """What is reached without a language model: the frequencies of bytes, and a compressor that sees all passages."""
    shares = [count / len(data) for count in Counter(data).values()]
    entropy = -sum(share * math.log2(share) for share in shares)
    packed = 8 * len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)) / len(data)
    return Line("bytes by their frequency", entropy, "floor"), Line("xz -9e of the whole text", packed, "rung")


def _card(name: str, description: str, licence: str = "unknown") -> TaskCard:
    return TaskCard(
        name=name,
        family="text",
        protocol=PROTOCOL,
        primary_metric="bits_per_byte",
        needs=frozenset({"loglikelihood"}),
        description=description,
        licence=licence,
    )
