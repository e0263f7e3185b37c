"""Finding the attacks among examples: rates, ranking quality and calibration of a two-class detector.

All come of columns of per-example statistics, so they share one bootstrap. A rate over nothing is 0, as in
scikit-learn (`zero_division=0`): a detector that never raises an alarm has a precision of 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.contract import Aggregate, Metric
from harness.metrics.aggregate import mean

if TYPE_CHECKING:
    from harness.contract import FloatArray

Columns: TypeAlias = "Mapping[str, FloatArray]"

BINS = 10
"""Of equal width, for the calibration error (Guo et al. 2017, section 2)."""
ATTACK_RATE = 0.01
"""What precision is worked out for where attacks are rare, as they are (Axelsson 2000)."""


def detection_metrics(families: Sequence[str] = (), *, has_unseen: bool = True) -> tuple[Metric, ...]:
    """The metrics in order of display, the primary one first; with a detection rate for each family of attacks.

    Without types of attack that training lacks there is no rate of finding them.
    """
    ranked = _Ranked()
    unseen = Metric(
        "unseen_detection",
        _rate("hit[unseen]", "attack[unseen]"),
        description="Detection rate of the types of attack that training does not have.",
    )
    return (
        Metric("balanced_accuracy", _balanced, description="Mean of detection rate and 1 − false alarm rate."),
        Metric("f1", _f1, description="Harmonic mean of precision and detection rate."),
        Metric("accuracy", mean("right"), description="Share of flows with the right label."),
        Metric("detection_rate", _rate("hit", "attack"), description="Share of attacks that raise an alarm (recall)."),
        Metric(
            "false_alarm_rate",
            _rate("false_alarm", "benign"),
            higher_is_better=False,
            description="Share of the benign flows that raise an alarm.",
        ),
        Metric("precision", _precision, description="Share of the alarms that are attacks, at this set's attack rate."),
        Metric(
            "precision@1%",
            _precision_where_rare,
            description="The same where 1 % of flows are attacks: what an operator would see.",
        ),
        Metric("mcc", _mcc, description="Matthews correlation: 0 for guessing, whatever the classes' sizes."),
        Metric(
            "auc",
            partial(_auc, ranked),
            description="Chance that an attack scores above a benign flow; ties count half.",
        ),
        Metric("pr_auc", partial(_average_precision, ranked), description="Average precision over all thresholds."),
        Metric(
            "detection@far1%",
            _detection_at(0.01, ranked),
            description="Detection rate at a false alarm rate of 1 % at most.",
        ),
        Metric(
            "detection@far0.1%",
            _detection_at(0.001, ranked),
            description="Detection rate at a false alarm rate of 0.1 %.",
        ),
        *((unseen,) if has_unseen else ()),
        Metric(
            "calibration_error",
            _calibration_error,
            higher_is_better=False,
            description="How far scores are from the share of attacks, over ten bins of equal width.",
        ),
        *(
            Metric(
                f"detection[{family}]",
                _rate(f"hit[{family}]", f"attack[{family}]"),
                description=f"Detection rate of {family} alone.",
            )
            for family in families
        ),
    )


def curve(attack: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds (descending), false alarm rate and detection rate at each: arrays [distinct scores]."""
    hits, alarms = _cumulative(attack, score, np.ones((1, len(attack))))
    thresholds = np.unique(score)[::-1]
    return thresholds, _share(alarms, alarms[:, -1:])[0, 1:], _share(hits, hits[:, -1:])[0, 1:]


def _total(columns: Columns, name: str, weights: FloatArray) -> FloatArray:
    total: FloatArray = (weights * columns[name]).sum(axis=-1)
    return total


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def _rate(part: str, whole: str) -> Aggregate:
    def rate(columns: Columns, weights: FloatArray) -> FloatArray:
        return _share(_total(columns, part, weights), _total(columns, whole, weights))

    return rate


def _balanced(columns: Columns, weights: FloatArray) -> FloatArray:
    return (_rate("hit", "attack")(columns, weights) + 1 - _rate("false_alarm", "benign")(columns, weights)) / 2


def _precision(columns: Columns, weights: FloatArray) -> FloatArray:
    hits = _total(columns, "hit", weights)
    return _share(hits, hits + _total(columns, "false_alarm", weights))


def _precision_where_rare(columns: Columns, weights: FloatArray) -> FloatArray:
    found = ATTACK_RATE * _rate("hit", "attack")(columns, weights)
    return _share(found, found + (1 - ATTACK_RATE) * _rate("false_alarm", "benign")(columns, weights))


def _f1(columns: Columns, weights: FloatArray) -> FloatArray:
    hits, attacks = _total(columns, "hit", weights), _total(columns, "attack", weights)
    return _share(2 * hits, hits + _total(columns, "false_alarm", weights) + attacks)


def _mcc(columns: Columns, weights: FloatArray) -> FloatArray:
    hits, attacks = _total(columns, "hit", weights), _total(columns, "attack", weights)
    alarms, benign = _total(columns, "false_alarm", weights), _total(columns, "benign", weights)
    said, quiet = hits + alarms, attacks - hits + benign - alarms
    return _share(hits * (benign - alarms) - alarms * (attacks - hits), np.sqrt(said * quiet * attacks * benign))


def _cumulative(attack: FloatArray, score: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Attacks and benign flows with at least each score, from the highest on: [draws, 1 + distinct scores]."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    weights = weights[:, order]
    attacks = weights * attack[order]
    nothing = np.zeros((len(weights), 1))
    hits, alarms = (np.add.reduceat(part, starts, axis=1).cumsum(axis=1) for part in (attacks, weights - attacks))
    return np.concatenate([nothing, hits], axis=1), np.concatenate([nothing, alarms], axis=1)


class _Ranked:
    """`_cumulative` of columns, kept until it is asked for others: four metrics in a row want the same."""

    def __init__(self) -> None:
        self._asked: tuple[FloatArray, ...] = ()
        self._found: tuple[FloatArray, FloatArray]

    def __call__(self, columns: Columns, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        asked = (columns["attack"], columns["score"], weights)
        if not self._asked or any(one is not other for one, other in zip(asked, self._asked, strict=True)):
            self._asked, self._found = asked, _cumulative(*asked)
        return self._found


def _auc(ranked: _Ranked, columns: Columns, weights: FloatArray) -> FloatArray:
    hits, alarms = ranked(columns, weights)
    area = (np.diff(alarms, axis=1) * (hits[:, 1:] + hits[:, :-1]) / 2).sum(axis=1)
    return _share(area, hits[:, -1] * alarms[:, -1])


def _average_precision(ranked: _Ranked, columns: Columns, weights: FloatArray) -> FloatArray:
    hits, alarms = ranked(columns, weights)
    precision = _share(hits[:, 1:], hits[:, 1:] + alarms[:, 1:])
    return _share((np.diff(hits, axis=1) * precision).sum(axis=1), hits[:, -1])


def _detection_at(most: float, ranked: _Ranked) -> Aggregate:
    def detection(columns: Columns, weights: FloatArray) -> FloatArray:
        hits, alarms = ranked(columns, weights)
        allowed = alarms <= most * alarms[:, -1:] + 1e-9
        return _share(np.where(allowed, hits, 0).max(axis=1), hits[:, -1])

    return detection


def _calibration_error(columns: Columns, weights: FloatArray) -> FloatArray:
    score, attack = columns["score"], columns["attack"]
    place = np.minimum((score * BINS).astype(np.intp), BINS - 1)
    total = np.zeros(len(weights))
    for bin in np.unique(place):
        inside = np.flatnonzero(place == bin)
        total += np.abs((weights[:, inside] * (score - attack)[inside]).sum(axis=1))
    return _share(total, weights.sum(axis=1))
