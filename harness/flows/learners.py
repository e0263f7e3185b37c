"""Learners over rows from scikit-learn, XGBoost and LightGBM, and how many nodes of their trees a row visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.errors import RunFailed

if TYPE_CHECKING:
    from harness.contract import FloatArray

Name = Literal["decision_tree", "random_forest", "hist_gradient_boosting", "xgboost", "lightgbm", "logistic_regression"]

SETTINGS: dict[str, frozenset[str]] = {
    "decision_tree": frozenset({"depth"}),
    "random_forest": frozenset({"trees", "depth"}),
    "hist_gradient_boosting": frozenset({"trees", "depth", "learning_rate"}),
    "xgboost": frozenset({"trees", "depth", "learning_rate"}),
    "lightgbm": frozenset({"trees", "depth", "learning_rate"}),
    "logistic_regression": frozenset({"inverse_regularisation", "iterations"}),
}
"""Which settings a learner has."""
NEEDS_NUMBERS = frozenset({"logistic_regression"})
"""Learners that cannot do with a missing number."""
_SAMPLE = 5_000


def make(name: Name, settings: dict[str, Any], seed: int) -> Any:
    """An estimator with `fit` and `predict_proba`; what is not set is the library's own default.

    Raises `RunFailed` with the command to install it if its library is not there.
    """
    match name:
        case "decision_tree":
            from sklearn.tree import DecisionTreeClassifier

            return DecisionTreeClassifier(**_named(settings, depth="max_depth"), random_state=seed)
        case "random_forest":
            from sklearn.ensemble import RandomForestClassifier

            renamed = _named(settings, trees="n_estimators", depth="max_depth")
            return RandomForestClassifier(**renamed, random_state=seed)
        case "hist_gradient_boosting":
            from sklearn.ensemble import HistGradientBoostingClassifier

            renamed = _named(settings, trees="max_iter", depth="max_depth", learning_rate="learning_rate")
            return HistGradientBoostingClassifier(**renamed, random_state=seed)
        case "logistic_regression":
            from sklearn.linear_model import LogisticRegression

            renamed = _named(settings, inverse_regularisation="C", iterations="max_iter")
            return LogisticRegression(**renamed, random_state=seed)
    renamed = _named(settings, trees="n_estimators", depth="max_depth", learning_rate="learning_rate")
    try:
        if name == "xgboost":
            from xgboost import XGBClassifier

            return XGBClassifier(**renamed, tree_method="hist", n_jobs=1, random_state=seed)
        from lightgbm import LGBMClassifier

        options: dict[str, Any] = {"n_jobs": 1, "verbose": -1, "deterministic": True, "force_row_wise": True}
        return LGBMClassifier(**renamed, **options, random_state=seed)
    except ImportError as error:
        raise RunFailed(
            f"the learner `{name}` needs a package that is not installed",
            hint="Run: pip install 'equal-footing[flows]'",
        ) from error


def _named(settings: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names[key]: value for key, value in settings.items() if value is not None}


def visited_nodes(name: Name, model: Any, x: FloatArray) -> float:
    """Nodes that a row passes on its way to the leaves of all trees, on average over training rows; 0 without trees.

    `x` are training rows, for libraries that do not keep how many passed each node.
    """
    match name:
        case "decision_tree":
            return _passed(model.tree_)
        case "random_forest":
            return sum(_passed(tree.tree_) for tree in model.estimators_)
        case "hist_gradient_boosting":
            # Not public, and the only place where scikit-learn keeps them.
            trees = [tree.nodes for trees in model._predictors for tree in trees]
            return float(sum(nodes["count"][nodes["is_leaf"] == 0].sum() / nodes["count"][0] for nodes in trees))
        case "xgboost":
            return _xgboost_passed(model, x[:_SAMPLE])
        case "lightgbm":
            table = model.booster_.trees_to_dataframe()
            inner = table["left_child"].notna()
            return float(table.loc[inner, "count"].sum() / table["count"].iloc[0])
    return 0.0


def _passed(tree: Any) -> float:
    """Each row is counted at every inner node on its way: so many over the rows of the root is the mean depth."""
    samples = tree.weighted_n_node_samples
    return float(samples[tree.children_left != -1].sum() / samples[0])


def _xgboost_passed(model: Any, x: FloatArray) -> float:
    """Depths of the leaves that rows end in; the library's dump indents a node by its depth: `\t\t5:leaf=0.1`."""
    leaves = model.apply(x).reshape(len(x), -1).astype(np.intp)
    total = 0.0
    for tree, dump in enumerate(model.get_booster().get_dump()):
        lines = dump.splitlines()
        depths = np.zeros(len(lines))
        for line in lines:
            depths[int(line.lstrip("\t").partition(":")[0])] = len(line) - len(line.lstrip("\t"))
        total += float(depths[leaves[:, tree]].mean())
    return total


def node_count(name: Name, model: Any) -> int:
    """Nodes of all trees, leaves included; 0 without trees."""
    match name:
        case "decision_tree":
            return int(model.tree_.node_count)
        case "random_forest":
            return sum(int(tree.tree_.node_count) for tree in model.estimators_)
        case "hist_gradient_boosting":
            return sum(len(tree.nodes) for trees in model._predictors for tree in trees)
        case "xgboost":
            return sum(len(dump.splitlines()) for dump in model.get_booster().get_dump())
        case "lightgbm":
            return len(model.booster_.trees_to_dataframe())
    return 0
