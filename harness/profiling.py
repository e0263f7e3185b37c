"""What `harness profile` prints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.plain import plain
from harness.terminal import print_json, print_table
from harness.units import bytes_text, short_seconds_text

if TYPE_CHECKING:
    from harness.efficiency.profile import Profile


def show(
    target: str | None, asked: dict[str, Any], *, plot: Path | None, claimed_seconds: float | None, as_json: bool
) -> None:
    """Print the profile of a target. Raises `ImpossibleClaim` if its request is claimed to be faster than its bound."""
    from harness.efficiency.model_configs import shipped_configs
    from harness.efficiency.pricing import check_claim
    from harness.efficiency.profile import profile
    from harness.efficiency.profile_counts import Asked
    from harness.efficiency.roofline_chart import check_plot, write_plot

    if target is None:
        raise InputError("name what to profile", hint=f"A config.json, or one of: {', '.join(shipped_configs())}.")
    if plot is not None:
        check_plot(plot)
    found = profile(target, Asked(**asked))
    if claimed_seconds is not None:
        check_claim(claimed_seconds, found.request.bound_seconds, f"{target} on {_where(found)}")
    if plot is not None:
        write_plot(found.roofline, plot, title=f"{target} on {found.asked.hardware}")
    if as_json:
        print_json(asdict(found))
    else:
        _show(found)


def _where(found: Profile) -> str:
    return f"{found.asked.accelerators} × {found.asked.hardware}"


def _show(found: Profile) -> None:
    asked = found.asked
    basis = f"stack {asked.stack}" if asked.stack else "no stack: bound only"
    code = " [own code]" if found.runs_code else ""
    print(
        f"{plain(found.target)}{code}: {found.parameters:,} parameters, {found.weights}, {found.attention} attention, "
        f"{_where(found)}, {basis}\n"
    )
    columns = ["phase", "FLOPs", "bytes", "peak activations", "bound", "calibrated"]
    rows = [
        [
            phase.name,
            f"{phase.flops:.4g}",
            bytes_text(int(phase.bytes)),
            bytes_text(phase.peak_bytes),
            short_seconds_text(phase.bound_seconds),
            short_seconds_text(phase.calibrated_seconds),
        ]
        for phase in found.phases
    ]
    whole = found.request
    rows.append(
        ["request", "", "", "", short_seconds_text(whole.bound_seconds), short_seconds_text(whole.calibrated_seconds)]
    )
    print_table(columns, rows)
    if whole.error_p90 is not None:
        print(f"calibrated ± {whole.error_p90:.0%}: the p90 of the stack's held-out errors")
    _show_examples(found)
    memory = found.memory
    print(
        f"\nweights {bytes_text(memory.weights_bytes)}, KV {bytes_text(memory.kv_bytes_per_token)} a token, "
        f"peak activations {bytes_text(memory.peak_activation_bytes)}, "
        f"held by {memory.minimum_accelerators} × {asked.hardware} or more"
    )
    for note in found.notes:
        print(f"note: {plain(note)}")


def _show_examples(found: Profile) -> None:
    """Latency and throughput of what encodes or classifies."""
    if found.latency is None:
        return
    print(f"\none example alone: {_both(found.latency.bound_seconds, found.latency.calibrated_seconds)}")
    for best in found.throughput:
        print(
            f"most examples a second ({best.basis}): {best.examples_per_second:,.4g} in batches of {best.batch:,}; "
            f"up to {best.largest_batch:,} fit"
        )


def _both(bound: float, calibrated: float | None) -> str:
    text = f"{short_seconds_text(bound)} (bound)"
    return text if calibrated is None else f"{text}, {short_seconds_text(calibrated)} (calibrated)"


def show_validation(stack: str | None, measurements: Path | None, *, validate: bool, as_json: bool) -> None:
    """Print the held-out errors of the stacks that ship (or of one), or those of a stack on the user's measurements."""
    if measurements is None:
        _show_shipped(stack, as_json)
        return
    if not (validate and stack):
        raise InputError(
            "--measurements are to test a software stack on",
            hint="Add --validate and --stack NAME, or a YAML file of yours (docs/efficiency.md).",
        )
    from harness.efficiency import own_stack

    found = own_stack.validate(stack, measurements)
    if as_json:
        print_json(own_stack.as_json(found))
        return
    _print_folds({"stack": found.name, **fold.model_dump()} for fold in found.held_out)
    if found.fitted:
        print(f"\nFor {stack}:\n\n{own_stack.as_yaml(found)}")


def _show_shipped(stack: str | None, as_json: bool) -> None:
    from harness.efficiency.validation import report

    rows = report(stack)
    if as_json:
        print_json(rows)
    else:
        _print_folds(rows)


def _print_folds(rows: Iterable[dict[str, Any]]) -> None:
    columns = ["stack", "fold", "n", "median error", "p90 error"]
    print_table(
        columns,
        [[r["stack"], r["fold"], r["n"], f"{r['median_error']:.1%}", f"{r['p90_error']:.1%}"] for r in rows],
    )
