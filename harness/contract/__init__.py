"""The vocabulary of Equal Footing: what tasks, models and the loop say to each other.

`given`: what a model gets. `answers`: what it returns. `task`: what a benchmark is. `suite`: tasks
that are averaged. Records that cross a process
boundary are msgspec structs (msgpack on the wire), because a model runs in a worker of its own. Nothing that a
worker receives holds a test label: gold answers live in the task's `Scorer`, which never leaves the parent process.
"""

from harness.contract.answers import (
    Capability,
    Classes,
    Cost,
    Failure,
    LogLikelihood,
    Model,
    Output,
    Prediction,
    Prepared,
    Ranking,
    Texts,
    Usage,
)
from harness.contract.given import (
    ByteSequence,
    Charge,
    Corpus,
    Document,
    Example,
    Image,
    Input,
    Inputs,
    Labelled,
    LabelledSet,
    Progress,
    Prompt,
    Request,
    Resources,
)
from harness.contract.suite import Suite
from harness.contract.task import (
    Aggregate,
    DataStatus,
    Family,
    FloatArray,
    Metric,
    Places,
    Scorer,
    Task,
    TaskCard,
    Workload,
)

__all__ = [
    "Aggregate",
    "ByteSequence",
    "Capability",
    "Charge",
    "Classes",
    "Corpus",
    "Cost",
    "DataStatus",
    "Document",
    "Example",
    "Failure",
    "Family",
    "FloatArray",
    "Image",
    "Input",
    "Inputs",
    "Labelled",
    "LabelledSet",
    "LogLikelihood",
    "Metric",
    "Model",
    "Output",
    "Places",
    "Prediction",
    "Prepared",
    "Progress",
    "Prompt",
    "Ranking",
    "Request",
    "Resources",
    "Scorer",
    "Suite",
    "Task",
    "TaskCard",
    "Texts",
    "Usage",
    "Workload",
]
