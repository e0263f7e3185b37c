"""What `harness compare` and `harness explain` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness import comparison
from harness.errors import HarnessError
from harness.plain import plain
from harness.store import Database, open_database, read
from harness.terminal import print_json, print_table

_MOST_EXAMPLES = 10


def compare(names: Sequence[str], task: str | None, metric: str | None, db: str, *, as_json: bool) -> None:
    """Print the first run against each of the others, with a paired test."""
    database = open_database(db, create=False)
    keys = [comparison.resolve(database, name, task) for name in names]
    found = comparison.compare(database, keys, metric)
    if as_json:
        print_json([_json(keys[0], one) for one in found])
        return
    first = read.run(database, keys[0]).summary
    name = found[0].difference.metric
    print(f"{plain(first['submission'])} on {plain(first['task'])}, {plain(name)}, less that of:")
    columns = ["against", "difference", "95 % interval", "p", "p, corrected", "verdict", "effect", "win/tie/loss"]
    print_table([*columns, "detectable", "n"], [_cells(one) for one in found], whole=("95 % interval",))
    print(
        "Paired over examples: bootstrap interval, exchange test, Holm's correction. effect: Cohen's d of the pairs.\n"
        "detectable: the smallest true difference that would be found four times in five."
    )


def explain(names: tuple[str, str], task: str | None, db: str, *, as_json: bool) -> None:
    """Print what two runs do not share, and the examples on which they differ most."""
    database = open_database(db, create=False)
    first, second = (comparison.resolve(database, name, task) for name in names)
    changes = comparison.explain(database, first, second)
    asked, examples, note = _examples(database, first, second)
    if as_json:
        shown = {"runs": [first, second], "changes": [asdict(change) for change in changes], "examples_compared": asked}
        print_json(shown | {"examples_changed": [asdict(example) for example in examples], "note": note})
        return
    if changes:
        rows = [[change.part, change.what, _shown(change.first), _shown(change.second)] for change in changes]
        print_table(["part", "what", plain(names[0]), plain(names[1])], rows)
    else:
        print("The runs share everything that is known of them: submission, data, protocol, seed, code, machine.")
    if note:
        print(note)
        return
    print(f"\n{len(examples):,} of {asked:,} examples score differently.")
    if examples:
        most = [[example.id, example.first, example.second] for example in examples[:_MOST_EXAMPLES]]
        print_table(["example", plain(names[0]), plain(names[1])], most)


def _examples(database: Database, first: str, second: str) -> tuple[int, list[comparison.ExampleChange], str]:
    metric = read.run(database, first).summary["metric"]
    try:
        asked, examples = comparison.changed_examples(database, first, second, metric)
    except HarnessError as error:
        return 0, [], f"Examples cannot be compared: {plain(error.message)}"
    return asked, examples, ""


def _json(first: str, one: comparison.Comparison) -> dict[str, Any]:
    found = one.difference
    return {
        "run": first,
        "against": one.run,
        "submission": one.submission,
        **asdict(found),
        "corrected_p": one.corrected_p,
        "verdict": one.verdict,
        "detectable": found.detectable,
    }


def _cells(one: comparison.Comparison) -> list[Any]:
    found = one.difference
    return [
        one.submission,
        f"{found.value:+.4f}",
        f"{found.low:+.4f} – {found.high:+.4f}",
        f"{found.p:.4f}",
        f"{one.corrected_p:.4f}",
        one.verdict,
        None if found.effect is None else f"{found.effect:+.2f}",
        f"{found.wins}/{found.ties}/{found.losses}" if found.wins + found.ties + found.losses else None,
        found.detectable,
        found.n,
    ]


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else plain(value)
