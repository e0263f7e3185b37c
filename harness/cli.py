"""The command line: thin, and light until a command needs more."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import re
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

import click

from harness import __version__
from harness.errors import HarnessError

_SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*([KMGT]?)(I?)B?")


class _Bytes(click.ParamType[int]):
    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _SIZE.fullmatch(str(value).strip().upper())
        if found and (size := int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2] or " "))):
            return size
        self.fail(f"{value!r} is not a size; write it as 800M or 8G (or 8GiB).", param, ctx)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_data = click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="HARNESS_DATA",
    help="Data root. Default: $HARNESS_DATA, else a folder of the cache.",
)
_db = click.option(
    "--db",
    default="results.db",
    envvar="HARNESS_DB",
    show_default=True,
    help="Results database: a file, or any SQLAlchemy URL.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
_task = click.option("--task", "task", metavar="T", help="Only this task.")
_allow_code = click.option(
    "--allow-code",
    is_flag=True,
    help="Run code that the submission brings (kind python). It runs as you, with all that you may do.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Equal Footing: how good is a model, what does it cost, and which models does it beat?

    \b
    harness eval submissions/bm25.yaml --task beir/scifact
    harness results
    harness serve
    """


@cli.command("eval")
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION...", type=click.Path(path_type=Path))
@click.option(
    "--task", "tasks", multiple=True, metavar="T", help="A task, a suite, or family:path. Default: all that fit."
)
@_options(_data, _db)
@click.option("--limit", type=click.IntRange(1, 2**31 - 1), help="Only the first N examples; marked as partial.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Random seed.")
@click.option("--rerun", is_flag=True, help="Make a new run even where the same one is done.")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), help="Wall seconds for each run.")
@click.option("--memory-limit", type=_Bytes(), help="Resident memory for each run, such as 8G.")
@_options(_allow_code, _json)
def evaluate(submissions: tuple[Path, ...], tasks: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Evaluate submissions on tasks, or resume where it stopped.

    Every batch of predictions is stored when it is made: run the same command again after a crash, a kill or Ctrl-C.
    """
    from harness import commands

    sys.exit(commands.evaluate(submissions, tasks, as_json=as_json, **options))


@cli.command()
@_task
@click.option("--suite", metavar="S", help="The averages over this suite, each with its coverage.")
@click.option("--hardware", help="Reference accelerator for idealized seconds, or a YAML.  [default: A100-80GB-SXM]")
@click.option("--stack", help="Software stack for calibrated seconds, or a YAML; `none` for the bound alone.")
@click.option("--host", help="Processor for the work that stays beside the accelerator, or a YAML.")
@_options(_db, _json)
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "json"]), help="A row for each metric of a run.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write CSV or Parquet to this file.")
def results(
    task: str | None,
    suite: str | None,
    db: str,
    as_json: bool,
    form: Literal["csv", "parquet", "json"] | None,
    output: Path | None,
    **on: str | None,
) -> None:
    """Show the results: scores with intervals, idealized and observed seconds, memory and states."""
    form = "json" if as_json else form
    if output and form not in ("csv", "parquet"):
        raise click.UsageError("--output needs --format csv or --format parquet.")
    if suite and task:
        raise click.UsageError("--task and --suite are two questions; ask one at a time.")
    if suite and form not in (None, "json"):
        raise click.UsageError("--suite prints a table or JSON.")
    if suite and any(on.values()):
        raise click.UsageError("--hardware, --stack and --host price runs; an average has no price.")
    if suite:
        from harness import suites

        suites.results(suite, db, as_json=form == "json")
        return
    from harness.results import results as show

    show(task, db, on, form, output)


@cli.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@_task
@click.option("--metric", help="Default: the task's primary metric.")
@_options(_db, _json)
def compare(runs: tuple[str, ...], task: str | None, metric: str | None, db: str, as_json: bool) -> None:
    """Compare the first RUN with each of the others: paired test, interval, effect, what could have been found.

    A RUN is the key of one, or the name of a submission (with --task where it ran on several).
    """
    from harness import comparing

    comparing.compare(runs, task, metric, db, as_json=as_json)


@cli.command()
@click.argument("first")
@click.argument("second")
@_task
@_options(_db, _json)
def explain(first: str, second: str, task: str | None, db: str, as_json: bool) -> None:
    """Say why two runs differ: settings, data, protocol, seed, code, machine, and then which examples."""
    from harness import comparing

    comparing.explain((first, second), task, db, as_json=as_json)


@cli.command()
@click.argument("run")
@_db
def log(run: str, db: str) -> None:
    """Show what the model of a RUN printed, attempt by attempt."""
    from harness import commands

    commands.log(run, db)


@cli.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@_db
def forget(runs: tuple[str, ...], db: str) -> None:
    """Remove unfinished RUNs, with what is stored of them. Finished ones are never removed."""
    from harness import commands

    commands.forget(runs, db)


@cli.command()
@_options(_data, _json)
def tasks(data: Path | None, as_json: bool) -> None:
    """List the tasks, what they need of a model, and where their data is."""
    from harness import listings

    listings.tasks(data, as_json=as_json)


@cli.command("suites")
@click.argument("suite", required=False)
@_options(_data, _json)
def list_suites(suite: str | None, data: Path | None, as_json: bool) -> None:
    """List the suites (tasks that are averaged), or the tasks of one SUITE and where their data is."""
    from harness import suites

    suites.listing(suite, data, as_json=as_json)


@cli.command()
@click.argument("suite")
@click.option("--metric", help="One of the suite's metrics. Default: its primary one.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="For the fixed limit and the contour. Default: 0.856.")
@click.option("--share", type=click.FloatRange(0, 1), help="Of the score at the smallest size. Default: 0.85.")
@click.option("--by", metavar="GROUP", help="A row for each value of a group of the examples, such as depth.")
@_options(_db, _json)
def limits(suite: str, db: str, as_json: bool, **asked: Any) -> None:
    """Show up to which size scores hold, over a SUITE of one task in growing sizes, with intervals."""
    from harness import limits

    limits.show(suite, db, as_json=as_json, **{name: value for name, value in asked.items() if value is not None})


@cli.command()
@click.argument("run")
@click.option("--by", metavar="GROUP", help="One group of the examples, such as direction. Default: all.")
@click.option("--column", help="Statistic of the examples to compare. Default: how right they are.")
@_options(_db, _json)
def subgroups(run: str, db: str, as_json: bool, **asked: Any) -> None:
    """Show how unevenly the score of a RUN is spread over groups of its examples, beside what chance makes of it."""
    from harness import subgroups

    subgroups.show(run, db, as_json=as_json, **{name: value for name, value in asked.items() if value is not None})


@cli.command()
@click.argument("kind", required=False)
@_json
def models(kind: str | None, as_json: bool) -> None:
    """List the model kinds, or the settings of one KIND."""
    from harness import listings

    listings.models(kind, as_json=as_json)


@cli.command()
@_options(_data, _json)
def data(data: Path | None, as_json: bool) -> None:
    """Show where data is looked for, and what is here, downloadable or missing."""
    from harness import listings

    listings.data(data, as_json=as_json)


@cli.command()
@click.argument("submission", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", metavar="T", required=True, help="The task whose training split it learns from.")
@click.option("--answers", type=click.Path(path_type=Path, dir_okay=False), help="Write label and probabilities there.")
@click.option("--no-header", is_flag=True, help="The file has no line of names: the task's columns stand first.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Random seed.")
@_options(_data, _json)
def flows(submission: Path, file: Path, no_header: bool, **options: Any) -> None:
    """Label the network flows of a CSV FILE that may be larger than memory, and print flows per second."""
    from harness.flows import command

    command.run(submission, file, header=not no_header, **options)


@cli.command("code-style")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--language", type=click.Choice(["python", "java"]), default="python", show_default=True, help="Of all codes."
)
@click.option("--each", is_flag=True, help="Show every pair.")
@_options(_json)
def code_style(file: Path, language: str, each: bool, as_json: bool) -> None:
    """Show how alike in style the two codes of each pair in a FILE of JSON lines are (CSSim)."""
    from harness.source_code import style_command

    style_command.run(file, language=language, each=each, as_json=as_json)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", "tasks", multiple=True, metavar="T", help="Estimate for this task. Default: all that fit.")
@_options(_data, _allow_code, _json)
def check(file: Path, tasks: tuple[str, ...], data: Path | None, allow_code: bool, as_json: bool) -> None:
    """Validate a submission FILE and estimate its time and memory from a small pilot, without running it."""
    from harness import commands

    sys.exit(commands.check(file, tasks, data, allow_code=allow_code, as_json=as_json))


@cli.command()
@click.argument("target", required=False)
@click.option("--hardware", default="A100-80GB-SXM", show_default=True, help="Reference hardware, or a YAML of yours.")
@click.option("--stack", help="Software stack to calibrate by (such as fastertransformer), or a YAML.")
@click.option(
    "--accelerators", type=click.IntRange(min=1), default=1, show_default=True, help="Tensor parallel over N."
)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Sequences in the request.")
@click.option("--prompt-tokens", type=click.IntRange(min=1), help="Of each sequence.  [default: the target's, or 512]")
@click.option("--output-tokens", type=click.IntRange(min=1), default=64, show_default=True, help="Of each sequence.")
@click.option("--shared-prefix-tokens", type=click.IntRange(min=0), default=0, help="Of the prompt, the same for all.")
@click.option("--images", type=click.IntRange(min=0), default=0, help="Of each sequence, beside its prompt tokens.")
@click.option("--image-size", type=click.IntRange(min=1), help="Side in pixels, for models that take any.")
@click.option("--dtype", help="bfloat16, float16 or float32.  [default: the target's, or bfloat16]")
@click.option("--weights", help="Store matrices as int8 or int4 (groups of 32; also int4-g64, int4-g128, int4-g256).")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write the roofline (.html, .svg, .png).")
@click.option("--claimed-seconds", type=float, help="Reject the claim that the request takes S, if S is impossible.")
@click.option("--validate", is_flag=True, help="Recompute the held-out errors of the stacks (or of --stack) instead.")
@click.option(
    "--measurements",
    type=click.Path(path_type=Path),
    help="With --validate: fit and test --stack on a CSV of measured times.",
)
@_options(
    click.option("--allow-code", is_flag=True, help="Run code that comes with the configuration, as you."),
    _json,
)
def profile(
    target: str | None,
    plot: Path | None,
    claimed_seconds: float | None,
    validate: bool,
    measurements: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Compute what a model would take and need on reference hardware, without running it.

    TARGET is a Hugging Face config.json, a hub id, a submission, or the name of a configuration that ships.
    """
    from harness import profiling

    if validate or measurements:
        profiling.show_validation(asked["stack"], measurements, validate=validate, as_json=as_json)
    else:
        profiling.show(target, asked, plot=plot, claimed_seconds=claimed_seconds, as_json=as_json)


@cli.group()
def reference() -> None:
    """Published scores, which ship with their sources, and self-reported ones that were imported."""


@reference.command("load")
@_db
def reference_load(db: str) -> None:
    """Store the published tables in the database; they are shown without it too."""
    from harness import reported

    reported.load(db)


@reference.command("list")
@click.option("--task", "task", metavar="T", help="Only this task, or all below it (lra).")
@_options(_db, _json)
def reference_list(task: str | None, db: str, as_json: bool) -> None:
    """Show published and self-reported scores with their sources; without --task, how many there are."""
    from harness import reported

    reported.listing(task, db, as_json=as_json)


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the model, as the leaderboard will show it.")
@click.option("--task", "task", metavar="T", help="The task, where the file does not say it.")
@click.option("--replace", is_flag=True, help="Take the place of what was imported of this model or from this file.")
@_options(_db, _json)
def import_results(file: Path, name: str, task: str | None, db: str, replace: bool, as_json: bool) -> None:
    """Import the scores of a results FILE of BEIR or MTEB: shown as self-reported, and never ranked."""
    from harness import reported

    reported.import_results(file, name, task, db, replace=replace, as_json=as_json)


@cli.group()
def export() -> None:
    """Write the results out for readers without the harness."""


@export.command("site")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--hardware", help="Reference accelerator for idealized seconds.  [default: A100-80GB-SXM]")
@click.option("--stack", help="Software stack for calibrated seconds; `none` for the bound alone.")
@click.option("--host", help="Processor for the work that stays beside the accelerator.")
@_db
def export_site(folder: Path, db: str, **on: str | None) -> None:
    """Write the boards as plain HTML, JSON and SVG into FOLDER: it opens from disk or any web host."""
    from harness import exporting

    exporting.site(folder, db, on)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of submission files, for editors."""
    from harness import listings

    listings.schema()


@cli.command()
@_db
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback by default.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Port to listen on.")
def serve(db: str, host: str, port: int) -> None:
    """Serve the leaderboard to a browser."""
    from harness.serve import serve as run

    run(db, host, port)


@cli.command()
@_options(_data, _db, _json)
def doctor(data: Path | None, db: str, as_json: bool) -> None:
    """Check this installation: packages, data, database, accelerator."""
    from harness import doctor as checks

    sys.exit(checks.report(data, db, as_json=as_json))


def main() -> None:
    """Run a command; errors are sentences, not tracebacks."""
    # Imports make objects by the hundred thousand that stay to the end. To look for garbage among them, at exit above
    # all, took an eighth of a short run's processor time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold what an old terminal's encoding lacks
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("stopped; the same command resumes", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        _drop_output()
        sys.exit(1)
    except HarnessError as error:
        from harness.plain import plain

        hint = f"\n{plain(error.hint, lines=True)}" if error.hint else ""
        print(f"error: {plain(error.message, lines=True)}{hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        sys.exit(_explain_unforeseen(error))


def _explain_unforeseen(error: Exception) -> int:
    """Say what stopped the command; returns its exit code."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _drop_output()
        print("error: no space is left on the disk that is written to", file=sys.stderr)
        print("Free some space, then run the same command: finished work is kept.", file=sys.stderr)
        return 2
    if os.environ.get("HARNESS_DEBUG"):
        raise error
    print(f"internal error: {type(error).__name__}: {error}", file=sys.stderr)
    print("This is a fault of ours. HARNESS_DEBUG=1 shows where; please report it.", file=sys.stderr)
    return 1


def _drop_output() -> None:
    """Nobody takes what is still to be printed, so closing stdout must not try once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
