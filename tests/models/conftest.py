"""Tiny models that were trained on the toy language, once for each worker that needs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.toy_world import train_colbert, train_cross_encoder, train_splade


@pytest.fixture(scope="session")
def splade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_splade(tmp_path_factory.mktemp("splade"))


@pytest.fixture(scope="session")
def colbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_colbert(tmp_path_factory.mktemp("colbert"))


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))
