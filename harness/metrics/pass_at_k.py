"""Several samples for a question: pass@k without bias, and whether any of them is right.

Chen et al. (2021), "Evaluating Large Language Models Trained on Code", section 2.1: with n samples of which c are
right, 1 - C(n - c, k) / C(n, k) estimates the chance that one of k samples is right without bias; 1 - (1 - c / n)^k
would be biased. A search over samples (a vote, a reranker) is judged by how much of pass@k it turns into pass@1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.contract import Metric
from harness.errors import HarnessError
from harness.metrics.aggregate import mean

if TYPE_CHECKING:
    from harness.contract import FloatArray


def pass_at_k(samples: int, right: FloatArray, k: int) -> FloatArray:
    """The chance that one of k samples is right, for questions with `right` [n] of `samples` right: [n].

    Raises `HarnessError` if k is not between 1 and the number of samples: more cannot be estimated without bias.
    """
    if not 1 <= k <= samples:
        raise HarnessError(
            f"pass@{k} cannot be estimated from {samples} samples", hint="Ask for at least k samples of each question."
        )
    right = np.asarray(right, dtype=np.float64)
    wrong = samples - right
    # C(n - c, k) / C(n, k) as a product of k factors, each of which is a probability; 0 as soon as wrong < k.
    drawn = np.arange(k)
    none_right = np.prod(np.clip(wrong[:, None] - drawn, 0, None) / (samples - drawn), axis=1)
    chance: FloatArray = 1.0 - none_right
    return chance


def sample_metrics(samples: int, ks: Sequence[int]) -> tuple[Metric, ...]:
    """`pass@k` for each k, and `any_of_n`: the metrics over the columns of `sample_columns`."""
    several = tuple(
        Metric(f"pass@{k}", mean(f"pass@{k}"), description=f"The chance that one of {k} samples is right (unbiased).")
        for k in ks
    )
    name = f"any_of_{samples}"
    return (
        *several,
        Metric(name, mean(name), description=f"Share of questions with a right one of {samples} samples."),
    )


def sample_columns(verdicts: Sequence[Sequence[bool]], samples: int, ks: Sequence[int]) -> dict[str, FloatArray]:
    """Columns for `sample_metrics` out of a verdict on each sample of each question.

    A question with fewer than `samples` verdicts lacks samples: those count as wrong, so that an answer that is
    missing never helps. Raises `HarnessError` for more verdicts than samples, and as `pass_at_k`.
    """
    if (most := max(map(len, verdicts), default=0)) > samples:
        raise HarnessError(f"a question has {most} samples, and {samples} were asked for")
    right = np.array([sum(verdict) for verdict in verdicts], dtype=np.float64)
    columns = {f"pass@{k}": pass_at_k(samples, right, k) for k in ks}
    return {**columns, f"any_of_{samples}": (right > 0).astype(np.float64)}
