"""MBPP as ReCo searches it (Li, Zhou, Shen 2024, arXiv:2401.04514): 500 tasks, each asked for among their solutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.contract import Places
from tasks.codesearchnet.collection import Code, Collection
from tasks.codesearchnet.published import PublishedFile, counted
from tasks.codesearchnet.reco import paired
from tasks.codesearchnet.records import read

FILE = PublishedFile("mbpp/mbpp.jsonl", "ccf64ceae9c5403bf50a044cb6d505bfd2a2963ee58338ba268fd65beab92a9f")
CITATION = (
    "Austin et al. (2021): Program Synthesis with Large Language Models. arXiv:2108.07732; searched as by Li, Zhou, "
    "Shen (2024): Rewriting the Code: A Simple Method for LLM Augmented Code Search. arXiv:2401.04514"
)
_TEST = range(11, 511)
_TRAIN_FROM = 601
"""ReCo's splits are by place in the file, from 0."""


class _Task(msgspec.Struct, frozen=True):
    text: str
    code: str


@dataclass(frozen=True)
class Mbpp:
    """Items 11 to 510 of the file; those from 601 on are for training."""

    def files(self, places: Places) -> Sequence[Path]:
        return [FILE.at(places)]

    def read(self, places: Places) -> Collection:
        tasks = [task for _, task in read([FILE.checked(places)], _Task, places.progress)]
        counted(FILE.at(places), "tasks", 974, len(tasks))
        train = [(task.text, Code("", task.code)) for task in tasks[_TRAIN_FROM:]]
        return replace(paired([(tasks[place].text, tasks[place].code) for place in _TEST]), train=train)
