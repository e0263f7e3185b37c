"""Badges: found by trying, also where every sequence is as long as the model takes."""

from __future__ import annotations

import pytest
import torch

from harness.sequence.backbone import Architecture, Backbone
from harness.sequence.badges import badges

LENGTH = 64


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize(("mixer", "invariant"), [("softmax", "yes"), ("flow", "yes"), ("fft", "no")])
def test_padding_is_tried_although_the_sequences_leave_no_room_for_it(mixer: str, invariant: str, pooling: str) -> None:
    torch.manual_seed(0)
    model = Backbone(Architecture(mixer, "layer_norm", "dense", 16, 1, 2, 16, LENGTH, 10, pooling=pooling))  # type: ignore[arg-type]
    torch.nn.init.normal_(model.symbols.weight)  # trained ones are not as small as fresh ones
    found = badges(model, torch.randint(1, 18, (8, LENGTH)))
    assert found["padding_invariant"] == invariant


def test_a_model_of_one_symbol_has_badges() -> None:
    model = Backbone(Architecture("softmax", "layer_norm", "dense", 16, 1, 2, 16, 1, 10))
    assert badges(model, torch.ones(2, 1, dtype=torch.int64))["batch_invariant"] == "yes"
