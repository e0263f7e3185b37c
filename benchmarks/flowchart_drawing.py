"""Charts a CPU second that each renderer draws: JSON on standard output."""

from __future__ import annotations

import json
import resource
import sys

from tasks.flowlearn.drawing import Renderer
from tasks.flowlearn.drawing.with_graphviz import Graphviz
from tasks.flowlearn.drawing.with_mermaid import Mermaid
from tasks.flowlearn.generator import draw

_CHARTS = {"graphviz": 200, "mermaid": 20}


def cpu_seconds() -> float:
    """Of this process and of the children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measured(renderer: Renderer) -> dict[str, str | float]:
    charts = list(draw(0, _CHARTS[renderer.name]))
    begun = cpu_seconds()
    drawn = sum(1 for _ in renderer.render(charts, lambda done: None))
    return {
        "renderer": renderer.name,
        "version": renderer.version(),
        "charts": drawn,
        "charts_per_cpu_second": round(drawn / (cpu_seconds() - begun), 1),
    }


if __name__ == "__main__":
    here: list[Renderer] = [one for one in (Graphviz(), Mermaid()) if not one.missing()]
    json.dump([measured(renderer) for renderer in here], sys.stdout, indent=2)
