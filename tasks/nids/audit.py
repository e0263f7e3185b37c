"""What is odd about a split: duplicates, conflicting labels, overlap, and single columns that give the answer away.

After Flood et al. 2024 (Bad Design Smells in Benchmark NIDS Datasets) and D'hooge et al. 2023 (Castles Built on Sand),
who find that one comparison on one feature often does as well as a published model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import AuditRow
from harness.metrics.detection import curve
from tasks.nids.table import Flows

if TYPE_CHECKING:
    import pandas as pd

    from harness.contract import FloatArray


def audit(train: Flows, test: Flows, families: Mapping[str, str]) -> dict[str, Sequence[AuditRow]]:
    """The tables by title; `families` groups the types of attack."""
    return {
        "Flows by type": _by_kind(train, test, families),
        "Duplicates and conflicts": _duplicates(train, test),
        "What one column gives away": single_columns(train, test),
    }


def _by_kind(train: Flows, test: Flows, families: Mapping[str, str]) -> list[AuditRow]:
    in_train, in_test = Counter(train.kinds), Counter(test.kinds)
    order = sorted(in_train | in_test, key=lambda kind: -(in_train[kind] + in_test[kind]))
    return [
        {
            "type": kind or "benign",
            "family": families.get(kind, kind) if kind else "",
            "train": in_train[kind],
            "test": in_test[kind],
            "in training": "yes" if in_train[kind] else "no",
        }
        for kind in order
    ]


def _duplicates(train: Flows, test: Flows) -> list[AuditRow]:
    hashes = {"train": _hashes(train), "test": _hashes(test)}
    rows: list[AuditRow] = []
    for name, flows in (("train", train), ("test", test)):
        found = hashes[name]
        types, attacks = _several(found, flows.kinds), _several(found, [bool(kind) for kind in flows.kinds])
        rows += [
            {"what": f"{name}: flows with the features of an earlier one", "flows": len(flows) - len(np.unique(found))},
            {"what": f"{name}: equal features with several types", "flows": types},
            {"what": f"{name}: equal features, benign and attack", "flows": attacks},
        ]
    seen = int(np.isin(hashes["test"], hashes["train"]).sum())
    return [*rows, {"what": "test flows whose features are in training", "flows": seen}]


def _several(hashes: Any, said: Sequence[str] | Sequence[bool]) -> int:
    """How many of the distinct hashes have more than one thing said of them."""
    import pandas as pd

    distinct = pd.DataFrame({"hash": hashes, "said": said}).drop_duplicates()
    return int((distinct["hash"].value_counts() > 1).sum())


def _hashes(flows: Flows) -> Any:
    import pandas as pd

    return pd.util.hash_pandas_object(flows.features, index=False).to_numpy()


def single_columns(train: Flows, test: Flows) -> list[AuditRow]:
    """For each column its AUC on the test split, and what the best cut on training scores there; the best first."""
    attack_train = np.array([bool(kind) for kind in train.kinds], dtype=np.float64)
    attack_test = np.array([bool(kind) for kind in test.kinds], dtype=np.float64)
    rows: list[AuditRow] = []
    for name in train.features.columns:
        score_train, score_test = _scores(train.features[name], test.features[name], attack_train)
        auc = _auc(attack_test, score_test)
        in_training, in_test = _stump(score_train, attack_train, score_test, attack_test)
        rows.append(
            {
                "column": str(name),
                "auc": round(max(auc, 1 - auc), 4),
                "one cut, in training": round(in_training, 4),
                "one cut, balanced accuracy": round(in_test, 4),
            }
        )
    return sorted(rows, key=lambda row: -float(row["one cut, balanced accuracy"] or 0))


def _scores(train: pd.Series, test: pd.Series, attack: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Numbers as they are; of categories the share of attacks in training."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(train):
        low = float(np.nanmin(train.to_numpy())) - 1 if train.notna().any() else 0.0
        return train.fillna(low).to_numpy(np.float64), test.fillna(low).to_numpy(np.float64)
    shares = pd.Series(attack).groupby(train.to_numpy()).mean()
    usual = float(attack.mean())
    return train.map(shares).to_numpy(np.float64), test.map(shares).fillna(usual).to_numpy(np.float64)


def _auc(attack: FloatArray, score: FloatArray) -> float:
    if not 0 < attack.sum() < len(attack):
        return 0.5
    _, alarms, hits = curve(attack, score)
    return float(np.trapezoid(np.concatenate([[0], hits]), np.concatenate([[0], alarms])))


def _stump(
    score: FloatArray, attack: FloatArray, score_test: FloatArray, attack_test: FloatArray
) -> tuple[float, float]:
    """Balanced accuracy, on both splits, of the cut and the side that are best on training."""
    if not 0 < attack.sum() < len(attack) or not 0 < attack_test.sum() < len(attack_test):
        return 0.5, 0.5
    thresholds, alarms, hits = curve(attack, score)
    gain = hits - alarms
    best = int(np.abs(gain).argmax())
    said = (score_test >= thresholds[best]) == (gain[best] > 0)
    in_test = (said[attack_test == 1].mean() + (~said)[attack_test == 0].mean()) / 2
    return (1 + abs(float(gain[best]))) / 2, float(in_test)
