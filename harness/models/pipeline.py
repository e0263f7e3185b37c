"""Stages of one submission: retrievers, and what reworks their rankings.

A stage that retrieves puts a ranking down. `fuse` takes up all that lie there, a stage that reranks the last of them,
and puts its own down. In the end one must be left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import msgspec
from pydantic import Field, JsonValue, PlainValidator, ValidationInfo

from harness.config import ModelConfig, ModelKind
from harness.contract import Example, Failure, Prediction, Prepared, Ranking, Resources, Usage
from harness.efficiency.work import Work
from harness.errors import InvalidPrediction, RunFailed


@dataclass(frozen=True)
class StageSpec:
    """An entry of `stages:`."""

    name: str
    """As in `kind:`."""
    kind: ModelKind
    config: ModelConfig

    @property
    def first(self) -> int | None:
        """How many documents of the ranking above it reworks; None if it makes a ranking of its own."""
        return getattr(self.config, "first", None)


class PlanError(ValueError):
    """Stages that do not fit together: which one (from 0), and why."""

    def __init__(self, stage: int, message: str) -> None:
        super().__init__(message)
        self.stage = stage


def plan(stages: Sequence[StageSpec]) -> list[list[int]]:
    """For each stage the earlier ones whose rankings it takes up. Raises `PlanError`."""
    lying: list[int] = []
    taken: list[list[int]] = []
    for number, stage in enumerate(stages):
        name = stage.name
        takes = getattr(stage.kind, "takes", "one" if stage.first is not None else None)
        if takes is not None and not lying:
            raise PlanError(number, f"`{name}` reworks rankings, and no stage above it makes one")
        above = {"all": lying, "one": lying[-1:], None: []}[takes]
        complaint = getattr(stage.kind, "complaint", None)
        reason = complaint and complaint(stage.config, [stages[each] for each in above])
        if not reason and not hasattr(stage.kind, "takes") and "ranking" not in stage.kind(stage.config, 0).offers:
            reason = "it does not offer `ranking`"
        if reason:
            raise PlanError(number, f"`{name}` cannot stand here: {reason}")
        taken.append(list(above))
        lying = [*lying[: len(lying) - len(above)], number]
    if len(lying) > 1:
        raise PlanError(len(stages) - 1, f"{len(lying)} rankings are left in the end; add `- kind: fuse`")
    return taken


def _spec(value: Any, info: ValidationInfo) -> StageSpec:
    from harness.registry import model_kind

    if isinstance(value, StageSpec):
        return value
    settings = {key: setting for key, setting in value.items() if key != "kind"}
    kind = model_kind(value["kind"])
    return StageSpec(value["kind"], kind, kind.Config.model_validate(settings, context=info.context))


class PipelineConfig(ModelConfig):
    """The stages, as `stages:` of a submission has them."""

    stages: list[Annotated[StageSpec, PlainValidator(_spec, json_schema_input_type=dict[str, JsonValue])]] = Field(
        min_length=1
    )
    """Each a `kind` with its settings, in the order in which they work."""


class Pipeline:
    """Several stages in one submission, written as `stages:` in place of `model:`."""

    kind: ClassVar[str] = "pipeline"
    version: ClassVar[str] = "1"
    runs_code: bool = False
    Config: ClassVar[type[ModelConfig]] = PipelineConfig

    def __init__(self, config: PipelineConfig, seed: int) -> None:
        names = labels([spec.name for spec in config.stages])
        self._stages = [
            _Stage(name, spec, spec.kind(spec.config, seed), above)
            for name, spec, above in zip(names, config.stages, plan(config.stages), strict=True)
        ]
        self.offers = frozenset({"ranking"})
        self.batch_size = min(stage.model.batch_size for stage in self._stages)
        self.runs_code = any(spec.kind.runs_code for spec in config.stages)

    def prepare(self, resources: Resources) -> Prepared:
        """Let each stage prepare, in a scratch folder of its own."""
        found: dict[str, Prepared] = {}
        for stage in self._stages:
            own = replace(resources, scratch=resources.scratch / stage.name)
            own.scratch.mkdir(parents=True, exist_ok=True)
            above = [self._stages[number].model for number in stage.above]
            prepared = stage.model.prepare(own, above) if stage.refines else stage.model.prepare(own)
            found[stage.name] = prepared or (Prepared(0, 0) if stage.refines else Prepared())
        said = [(prepared.index_ram_bytes, prepared.index_disk_bytes) for prepared in found.values()]
        known = (None, None) not in said  # a stage that says one of them has nothing of the other
        return Prepared(
            index_ram_bytes=sum(ram or 0 for ram, _ in said) if known else None,
            index_disk_bytes=sum(disk or 0 for _, disk in said) if known else None,
            facts=_facts(found),
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank documents for each query, stage after stage. Raises `InvalidPrediction` naming a stage at fault."""
        return self._answers(examples, "predict", "refine")

    def again(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same answers, without any cache. Raises `RunFailed` if a stage cannot do that."""
        self._require("again")
        return self._answers(examples, "again", "again")

    def phases(self) -> Work:
        """The stages' own stages, under names of their own. Raises `RunFailed` if one does not describe its work."""
        self._require("phases")
        works = [(stage, stage.model.phases()) for stage in self._stages]
        return Work(
            tuple(
                msgspec.structs.replace(part, name=stage.usage_name(part.name))
                for stage, work in works
                for part in work.stages
            ),
            tuple(
                msgspec.structs.replace(tally, stage=stage.usage_name(tally.stage))
                for stage, work in works
                for tally in work.preparing
            ),
            "; ".join(work.uncounted for _, work in works if work.uncounted),
        )

    def findings(self) -> dict[str, Any]:
        """What the stages found out while they answered."""
        reporting = [stage for stage in self._stages if hasattr(stage.model, "findings")]
        return {f"{stage.name}/{fact}": value for stage in reporting for fact, value in stage.model.findings().items()}

    def _require(self, method: str) -> None:
        if lacking := [stage.name for stage in self._stages if not hasattr(stage.model, method)]:
            raise RunFailed(f"the stage {lacking[0]!r} has no method {method!r}")

    def _answers(self, examples: Sequence[Example], retrieve: str, refine: str) -> list[Prediction]:
        rankings: list[list[Ranking]] = []
        usage: list[tuple[Usage, ...]] = [()] * len(examples)
        failed: list[Failure | None] = [None] * len(examples)
        for stage in self._stages:
            above = [rankings[number] for number in stage.above]
            answers = stage.answers(examples, above, refine if stage.refines else retrieve)
            rankings.append([answer.ranking for answer in answers])
            usage = [sofar + answer.usage for sofar, answer in zip(usage, answers, strict=True)]
            failed = [before or answer.failure for before, answer in zip(failed, answers, strict=True)]
        return [
            Prediction(example.id, failure if failure and not ranking.ids else ranking, spent)
            for example, ranking, failure, spent in zip(examples, rankings[-1], failed, usage, strict=True)
        ]


@dataclass(frozen=True)
class _Answer:
    ranking: Ranking
    usage: tuple[Usage, ...]
    failure: Failure | None = None


@dataclass(frozen=True)
class _Stage:
    """A stage at work."""

    name: str
    spec: StageSpec
    model: Any
    above: list[int]
    """Stages whose rankings it takes up."""

    @property
    def refines(self) -> bool:
        """Whether it works on rankings, rather than on queries."""
        return hasattr(self.spec.kind, "takes")

    def usage_name(self, part: str) -> str:
        """A name for a part of its work that no other stage has."""
        return self.name if part in ("", self.spec.name) else f"{self.name}/{part}"

    def answers(self, examples: Sequence[Example], above: Sequence[Sequence[Ranking]], method: str) -> list[_Answer]:
        """What the stage makes of the examples, in their order."""
        work: Callable[..., Sequence[Prediction]] = getattr(self.model, method)
        if self.refines:
            predictions = work(examples, above)
        elif above:
            first = self.spec.first
            predictions = work(
                [
                    msgspec.structs.replace(example, candidates=tuple(ranking.ids[:first]))
                    for example, ranking in zip(examples, above[0], strict=True)
                ]
            )
        else:
            predictions = work(examples)
        by_id = {prediction.id: prediction for prediction in predictions}
        answers = [self._answer(example, by_id.get(example.id)) for example in examples]
        if above and not self.refines:
            answers = [
                replace(answer, ranking=self._with_rest(example, answer.ranking, ranking))
                for example, answer, ranking in zip(examples, answers, above[0], strict=True)
            ]
        return answers

    def _answer(self, example: Example, prediction: Prediction | None) -> _Answer:
        nothing = Ranking([], [])
        if prediction is None:
            return _Answer(nothing, (), Failure("unanswered"))
        usage = tuple(msgspec.structs.replace(u, stage=self.usage_name(u.stage)) for u in prediction.usage)
        if isinstance(prediction.output, Failure):
            return _Answer(nothing, usage, prediction.output)
        if not isinstance(prediction.output, Ranking):
            raise InvalidPrediction(
                f"the stage {self.name!r} answered {example.id!r} with {type(prediction.output).__name__}",
                hint="Stages answer with a Ranking.",
            )
        return _Answer(self._in_order(example, prediction.output), usage)

    def _in_order(self, example: Example, ranking: Ranking) -> Ranking:
        from harness.retrieval.fusion import ranked

        scores = dict(zip(ranking.ids, ranking.scores, strict=True))
        if len(scores) < len(ranking.ids):
            raise InvalidPrediction(f"the stage {self.name!r} ranked a document of {example.id!r} twice")
        return ranked(scores)

    def _with_rest(self, example: Example, reranked: Ranking, above: Ranking) -> Ranking:
        """The reranked documents, then the others as they were."""
        given = set(above.ids[: self.spec.first])
        if not given.issuperset(reranked.ids):
            raise InvalidPrediction(
                f"the stage {self.name!r} ranked a document of {example.id!r} that it was not given"
            )
        return followed(reranked, above)


def followed(head: Ranking, tail: Ranking) -> Ranking:
    """`head`, and below it what else `tail` has, in its order."""
    done = set(head.ids)
    rest = [id for id in tail.ids if id not in done]
    lowest = head.scores[-1] if head.scores else 0.0
    # Wide enough for float32, in which the evaluator compares, to tell them apart.
    step = max(1.0, abs(lowest) * 2.0**-20)
    return Ranking([*head.ids, *rest], [*head.scores, *(lowest - step * place for place in range(1, len(rest) + 1))])


def labels(kinds: Sequence[str]) -> list[str]:
    """A name for each stage: its kind, with a number from the second of a kind on."""
    seen: dict[str, int] = {}
    names = []
    for kind in kinds:
        seen[kind] = seen.get(kind, 0) + 1
        names.append(kind if seen[kind] == 1 else f"{kind} {seen[kind]}")
    return names


def _facts(found: Mapping[str, Prepared]) -> dict[str, str | int | float]:
    """The facts of each stage under its name, and the parameters of all together."""
    facts = {f"{name}/{fact}": value for name, prepared in found.items() for fact, value in prepared.facts.items()}
    held = [prepared.facts["parameters"] for prepared in found.values() if "parameters" in prepared.facts]
    return {"parameters": sum(map(int, held)), **facts} if held else facts
