"""Phases of a Hugging Face model of any depth, from tracing one and two of its identical layers.

counts(L) = counts(1) + (L − 1)·(counts(2) − counts(1)), exactly. The peak is that of two layers: a layer starts from
what its predecessor left, and the cache is held apart; unless layers keep something. Models whose layers differ are
traced whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from harness.efficiency.architectures import Part, Role, build, depths_of, layers_repeat, sequential_layers, shallow
from harness.efficiency.batches import Levels, Record, Seen, seen_growing
from harness.efficiency.ledger import Growth, Ledger, Memory, Operation, Phase, merged
from harness.efficiency.model_configs import check_dtype
from harness.efficiency.quantisation import Quantisation, quantisation_of, stored_parameters
from harness.efficiency.trace import Attention, NeedsValues, record
from harness.errors import HarnessError, InputError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

Facts: TypeAlias = dict[str, int]
"""Sizes of what is not activations, such as a cache; linear in the number of layers."""
Counter: TypeAlias = "Callable[..., Record]"
"""(inputs, phase=name) -> what one call does; a module of its own may be given."""
Recorded: TypeAlias = "Callable[[torch.nn.Module, Counter, int], Iterator[tuple[Record, Facts]]]"
"""(model, counter, batch) -> its phases at that batch."""


_MOST_LAYERS = 1_000


@dataclass(frozen=True)
class Way:
    """How a model is built and counted."""

    config: PretrainedConfig
    role: Role
    dtype: str
    attention: Attention
    batch: int
    quantisation: Quantisation | None = None
    """None: as the configuration says."""
    growing: bool = True
    """Whether a batch of 1 is traced with its growth, at two or three times the cost."""

    @property
    def format(self) -> Quantisation | None:
        return self.quantisation or quantisation_of(self.config)

    def build(self, config: PretrainedConfig, *, real: bool) -> torch.nn.Module:
        return build(config, self.role, self.dtype, self.attention, real=real)


@dataclass(frozen=True)
class Traced:
    """Phases of all layers, and the sizes of the whole model."""

    phases: tuple[Phase, ...]
    facts: Facts
    parameters: int
    weights_bytes: int

    def ledger(self, way: Way, memory: Memory) -> Ledger:
        config = way.config
        return Ledger(
            model=str(config.name_or_path or config.model_type),
            attention=way.attention,
            dtype=way.dtype,
            parameters=self.parameters,
            memory=memory,
            phases=self.phases,
            hidden_size=int(config.get_text_config().hidden_size),
            weights=way.format.name if way.format else "",
        )


def extrapolated(way: Way, recorded: Recorded, part: Part = "all") -> Traced:
    """The phases of the whole model, or of a part of it; with their growth by batch where the batch is 1."""
    check_dtype(way.dtype)
    depths = depths_of(way.config, part)
    layers = max(depths, default=0)
    if layers > _MOST_LAYERS:
        raise InputError(f"{layers:,} layers are more than any model has", hint="Check the configuration.")
    whole = way.build(way.config, real=False)
    parameters = sum(p.numel() for p in whole.parameters())
    weights_bytes = stored_bytes(whole, way.format)
    if layers > 2 and len(set(depths)) == 1 and layers_repeat(way.config, whole, layers, part):

        def at(depth: int) -> tuple[tuple[Seen, ...], Facts]:
            return traced(way, shallow(way.config, depth, part), recorded)

        seen, facts = deeper(at, layers)
    else:
        alone = way.config if part == "all" else shallow(way.config, layers, part)
        seen, facts = traced(way, alone, recorded)
    named = (
        msgspec.structs.replace(phase, layers=sequential_layers(way.config, way.role, phase.name))
        for phase in (found.phase() for found in seen)
    )
    return Traced(tuple(named), facts, parameters, weights_bytes)


def stored_bytes(module: torch.nn.Module, quantisation: Quantisation | None) -> int:
    """Bytes of the parameters and buffers, as they are stored."""
    stored = stored_parameters(module, quantisation)
    parameters = sum(
        stored[name].bytes if name in stored else p.numel() * p.element_size() for name, p in module.named_parameters()
    )
    return parameters + sum(b.numel() * b.element_size() for b in module.buffers())


def traced(way: Way, config: PretrainedConfig, recorded: Recorded) -> tuple[tuple[Seen, ...], Facts]:
    """The phases of the model as it is, on fakes if it can be, else on random weights."""
    try:
        with suppress(NeedsValues):
            return _run(way, config, recorded, real=False)
        return _run(way, config, recorded, real=True)
    except HarnessError:
        raise
    except Exception as error:  # a model's own code: sizes that do not fit together raise whatever they like
        raise InputError(
            f"a model of type {config.model_type!r} fails when it runs: {type(error).__name__}: {error}",
            hint=f"Compare its sizes with those of another {config.model_type}.",
        ) from error


def deeper(at: Callable[[int], tuple[tuple[Seen, ...], Facts]], layers: int) -> tuple[tuple[Seen, ...], Facts]:
    """Phases and facts at this many layers, from those of one and of two; of three if layers keep something."""
    (one, first), (two, second) = at(1), at(2)
    pairs = zip(one, two, strict=True)
    seen = tuple(
        _deeper(a, b, layers) if _start(a) == _start(b) else _deeper(_ungrown(a), _ungrown(b), layers) for a, b in pairs
    )
    facts = {key: first[key] + (layers - 1) * (second[key] - first[key]) for key in first}
    if all(_keeps_nothing(a.alive, b.alive) for a, b in zip(one, two, strict=True)):
        return seen, facts
    three, _ = at(3)
    return tuple(_with_kept(*found, layers) for found in zip(seen, one, two, three, strict=True)), facts


def _run(way: Way, config: PretrainedConfig, recorded: Recorded, *, real: bool) -> tuple[tuple[Seen, ...], Facts]:
    import torch
    from torch._guards import detect_fake_mode

    from harness.efficiency.fakes import running_on_fakes

    module = way.build(config, real=real)
    named, experts = dict(module.named_parameters()), experts_per_token(config)
    stored = {id(named[name]): of for name, of in stored_parameters(module, way.format).items()}

    def count(inputs: Mapping[str, Any], phase: str, of: torch.nn.Module = module) -> Record:
        known = {name: stored[id(p)] for name, p in of.named_parameters() if id(p) in stored}
        how: dict[str, Any] = {"attention": way.attention, "experts_per_token": experts, "real": real}
        return record(of, inputs, phase=phase, stored=known, **how)

    @cache
    def at(batch: int) -> list[tuple[Record, Facts]]:
        return list(recorded(module, count, batch))

    mode = detect_fake_mode(list(module.parameters()))
    with running_on_fakes(mode) if mode else torch.no_grad():
        found = at(way.batch)
        if way.batch > 1 or not way.growing:
            seen = [Seen.once(record) for record, _ in found]
        else:
            seen = [seen_growing(partial(_record_at, at, place)) for place in range(len(found))]
    return tuple(seen), {key: value for _, facts in found for key, value in facts.items()}


def _record_at(at: Callable[[int], list[tuple[Record, Facts]]], place: int, batch: int) -> Record:
    return at(batch)[place][0]


def experts_per_token(config: PretrainedConfig) -> int:
    """Of a mixture; 1 for others."""
    text = config.get_text_config()
    names = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts")
    found = [value for name in names if isinstance(value := getattr(text, name, None), int)]
    return found[0] if found else 1


def _deeper(one: Seen, two: Seen, layers: int) -> Seen:
    """Calls are told apart by what they do at all batches."""
    a, b = one.counted, two.counted
    growth = b.growth
    if a.growth and growth and growth.start > 1:
        at_start = _counted(_later_calls(a.growth), _later_calls(growth), layers)
        growth = msgspec.structs.replace(growth, operations=at_start)
    unpriced = {
        name: (first := a.unpriced.get(name, 0)) + (layers - 1) * (count - first) for name, count in b.unpriced.items()
    }
    operations = _counted(_calls(a), _calls(b), layers)
    return Seen(
        msgspec.structs.replace(b, operations=operations, unpriced=unpriced, growth=growth),
        two.alive,
        two.growing,
    )


def _with_kept(seen: Seen, one: Seen, two: Seen, three: Seen, layers: int) -> Seen:
    """The same counts, with what every layer keeps among the live bytes."""
    alive = _levels(one.alive, two.alive, three.alive, layers)
    alike = _start(one) == _start(two) == _start(three) and two.growing
    growing = _levels(one.growing, two.growing, three.growing, layers) if alike else ()
    return Seen(seen.counted, alive, growing) if alike else _ungrown(Seen(seen.counted, alive))


def _levels(one: Levels, two: Levels, three: Levels, layers: int) -> Levels:
    """Bytes alive with all layers, each of which keeps something until the end: from those of one to three layers.

    Where three layers go on and two begin to end, and where two go on and one begins to end, is the same place in a
    layer; what is alive there differs by what a layer keeps.
    """
    second, third = _common(_changes(one), _changes(two)), _common(_changes(two), _changes(three))
    kept = [b - a for a, b in zip(three[second], three[third], strict=True)]
    return three[: third + 1] + tuple(
        tuple(n + (layers - 3) * more for n, more in zip(level, kept, strict=True)) for level in three[third + 1 :]
    )


def _keeps_nothing(one: Levels, two: Levels) -> bool:
    """Whether two layers end as one does, from a whole layer before the end."""
    return _common(_changes(one)[::-1], _changes(two)[::-1]) >= len(two) - len(one)


def _common(one: Sequence[object], two: Sequence[object]) -> int:
    """How far two sequences begin alike."""
    return next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _changes(levels: Levels) -> list[tuple[int, ...]]:
    return [tuple(b - a for a, b in zip(*pair, strict=True)) for pair in pairwise(levels)]


_Call: TypeAlias = tuple[Operation, Operation | None]
"""Once, and what each further sequence adds."""


def _counted(one: list[_Call], two: list[_Call], layers: int) -> tuple[Operation, ...]:
    counts = [{(msgspec.structs.replace(o, count=1.0), more): o.count for o, more in calls} for calls in (one, two)]
    return tuple(
        msgspec.structs.replace(call[0], count=(first := counts[0].get(call, 0.0)) + (layers - 1) * (count - first))
        for call, count in counts[1].items()
    )


def _calls(phase: Phase) -> list[_Call]:
    further = phase.growth.further if phase.growth and phase.growth.start == 1 else [None] * len(phase.operations)
    return list(zip(phase.operations, further, strict=True))


def _later_calls(growth: Growth) -> list[_Call]:
    return list(zip(growth.operations, growth.further, strict=True))


def _start(seen: Seen) -> int:
    return seen.counted.growth.start if seen.counted.growth else 0


def _ungrown(seen: Seen) -> Seen:
    counted = seen.counted
    plain = msgspec.structs.replace(counted, operations=merged(counted.operations), growth=None)
    return Seen(plain, seen.alive)
