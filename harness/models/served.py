"""Language models behind an OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama, SGLang, or a provider's."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, Field, JsonValue

from harness.answer_notes import AnswerNotes
from harness.config import ModelConfig
from harness.contract import Cost, Example, Failure, Output, Prediction, Prompt, Request, Resources, Texts, Usage
from harness.efficiency.work import Work
from harness.errors import RunFailed
from harness.models.causal_lm import budget_concerns

if TYPE_CHECKING:
    from harness.endpoint.replies import Reply

_BATCH_SIZE = 32
_STAGE = "serve"
_TOKENS_PER_BYTE = 0.5
"""Until a reply says better; text of random letters has up to one."""
_OURS = frozenset({"model", "messages", "n", "stream"})


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("expected an address alone; a key belongs into the environment")
    return url.rstrip("/")


def _extra(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if taken := _OURS & fields.keys():
        raise ValueError(f"{', '.join(sorted(taken))} cannot be set here")
    return fields


class ServedConfig(ModelConfig):
    """An endpoint, a model that it serves, and how it is asked."""

    base_url: Annotated[str, AfterValidator(_endpoint)]
    """Address up to and with `/v1`. The key is in the environment, as `HARNESS_KEY_API_OPENAI_COM`."""
    model: str = Field(min_length=1)
    """Name of the model, as the endpoint lists it."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    """Tokens of an answer at most, thoughts included. Default: what the task allows."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls them."""
    temperature: float = Field(default=0.0, ge=0)
    """0 takes the likeliest token; several samples of a prompt need more."""
    extra: Annotated[dict[str, JsonValue], AfterValidator(_extra)] = Field(default={})
    """Further fields of every request, such as `top_p` or `reasoning_effort`."""
    concurrency: int = Field(default=8, ge=1, le=256)
    """Requests that are under way at most."""
    tokens_in_flight: int = Field(default=200_000, ge=1)
    """Tokens that are under way at most, prompts and answers; a larger request goes alone."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests are begun no closer than that."""
    timeout_seconds: float = Field(default=300.0, gt=0)
    """For one reply, from its first byte to its last."""
    retries: int = Field(default=5, ge=0, le=20)
    """How often a request is made again after a lost connection, 408, 409, 425, 429 or 5xx, or a broken reply."""
    longest_wait_seconds: float = Field(default=300.0, gt=0)
    """An endpoint that asks to wait longer than this has not answered."""
    keep_replies: bool = True
    """Take replies to the very same request from the cache."""
    images: bool = False
    """The model reads images; they are sent within the request."""
    priced_as: str | None = None
    """A hub id or config.json whose work is counted for idealized seconds, as `harness profile` takes it."""
    input_dollars: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens."""
    cached_dollars: float | None = Field(default=None, ge=0)
    """Price of a million prompt tokens that the endpoint had cached. Default: that of others."""
    output_dollars: float = Field(default=0.0, ge=0)
    """Price of a million tokens of answers."""


class Served:
    """Asks an endpoint. An answer that does not come is missing work; the same command asks for the rest."""

    kind: ClassVar[str] = "served"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    observes_cost: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = ServedConfig

    def __init__(self, config: ServedConfig, seed: int) -> None:
        self.offers = frozenset({"texts", "images"} if config.images else {"texts"})
        self.batch_size = config.batch_size or max(_BATCH_SIZE, config.concurrency)
        self._config, self._seed = config, seed
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._checking = threading.Lock()
        self._checked: bool | RunFailed = False

    def concerns(self, request: Request) -> list[str]:
        """What to be told before a run on a task that asks for this."""
        return budget_concerns(self._config.max_output_tokens, self._config.temperature, request)

    def prepare(self, resources: Resources) -> None:
        """Nothing is sent yet: all answers may be at hand."""
        from harness.endpoint.client import Endpoint, Patience
        from harness.endpoint.pace import Pace
        from harness.endpoint.replies import Reply
        from harness.endpoint.response_cache import ResponseCache

        config = self._config
        patience = Patience(config.timeout_seconds, config.retries, config.longest_wait_seconds)
        self._endpoint = Endpoint(config.base_url, patience, Pace(config.tokens_in_flight, config.requests_per_minute))
        self._replies = ResponseCache(resources.cache, config.base_url)
        self._notes = AnswerNotes(resources.scratch, list[Reply])
        self._charge, self._request, self._cache = resources.charge, resources.request, resources.cache
        self._most_tokens = config.max_output_tokens or resources.request.max_output_tokens

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Ask for all samples of all prompts, many at a time.

        Raises `RunFailed` if some got no answer, once the others are kept; `Rejected` at once.
        """
        asked = [(example, sample) for example in examples for sample in range(self._request.samples)]
        with ThreadPoolExecutor(self._config.concurrency) as pool:
            futures = [pool.submit(self._one, example, sample) for example, sample in asked]
            _settle(futures)
        answers = iter([future.result() for future in futures])
        by_example = {example.id: [next(answers) for _ in range(self._request.samples)] for example in examples}
        self._notes.add({id: _replies(mine) for id, mine in by_example.items()})
        return [_prediction(id, mine) for id, mine in by_example.items()]

    def findings(self) -> dict[str, str | int | float]:
        """Tokens, price, attempts, and what the endpoint said of itself, over all answers of the run."""
        replies = [reply for mine in self._notes.all().values() for reply in mine]
        count = Counter[str]()
        for reply in replies:
            count.update(
                replies=1,
                attempts=reply.attempts,
                prompt_tokens=reply.prompt_tokens,
                cached_tokens=reply.cached_tokens,
                output_tokens=reply.output_tokens,
                replies_without_usage=int(not reply.prompt_tokens),
            )
        names = {
            "served_model": {reply.model for reply in replies} - {""},
            "system_fingerprint": {reply.fingerprint for reply in replies} - {""},
        }
        dollars = self._dollars(count)
        return {
            **count,
            **{name: ", ".join(sorted(values)) for name, values in names.items() if values},
            **({"dollars": dollars} if dollars else {}),
        }

    def _dollars(self, count: Mapping[str, int]) -> float:
        config = self._config
        cached_dollars = config.input_dollars if config.cached_dollars is None else config.cached_dollars
        return (
            config.input_dollars * (count["prompt_tokens"] - count["cached_tokens"])
            + cached_dollars * count["cached_tokens"]
            + config.output_dollars * count["output_tokens"]
        ) / 1e6

    def phases(self) -> Work | None:
        """Of the model that it is priced as; an endpoint does not show its own."""
        if self._config.priced_as is None:
            return None
        from harness.efficiency.generation_work import generation_stage
        from harness.efficiency.model_configs import load_config

        config = load_config(self._config.priced_as)
        return Work((generation_stage(config, name=_STAGE, dtype="bfloat16", cache=self._cache),))

    def _one(self, example: Example, sample: int) -> Reply | Failure:
        from harness.endpoint.messages import messages
        from harness.endpoint.replies import OverLimit, Refused

        prompt = example.input if isinstance(example.input, Prompt) else Prompt(str(example.input))
        body = {
            **self._config.extra,
            "model": self._config.model,
            "messages": messages(prompt),
            self._config.max_tokens_field: self._most_tokens,
            "temperature": self._config.temperature,
            "seed": self._seed + sample,
        }
        if self._config.keep_replies and (kept := self._replies.find(body)):
            self._charge(Cost(wall_seconds=kept.seconds))
            return kept
        length = len(prompt.text.encode())
        tokens = int(length * self._tokens_per_byte) + self._most_tokens
        try:
            self._check_once()
            reply = self._endpoint.chat(body, tokens=tokens, prompt_bytes=0 if prompt.images else length)
        except OverLimit as error:
            return Failure("over_limit", str(error))
        except Refused as error:
            return Failure("refused", str(error))
        if length:
            self._tokens_per_byte = max(self._tokens_per_byte, min(1.0, reply.prompt_tokens / length))
        self._replies.keep(body, reply)
        return reply

    def _check_once(self) -> None:
        """A wrong name, a missing key or an endpoint that is down shows before the first prompt is sent."""
        with self._checking:
            if isinstance(self._checked, RunFailed):
                raise self._checked
            if not self._checked:
                try:
                    self._endpoint.check(self._config.model)
                except RunFailed as error:
                    self._checked = error
                    raise
                self._checked = True


def _replies(answers: Sequence[Reply | Failure]) -> list[Reply]:
    """What is to be noted of them; their texts are stored with the predictions."""
    return [msgspec.structs.replace(answer, text="") for answer in answers if not isinstance(answer, Failure)]


def _prediction(id: str, answers: Sequence[Reply | Failure]) -> Prediction:
    failures = [answer for answer in answers if isinstance(answer, Failure)]
    replies = [answer for answer in answers if not isinstance(answer, Failure)]
    output: Output = failures[0] if failures else Texts([reply.text for reply in replies])
    return Prediction(id, output, tuple(map(_usage, replies)))


def _settle(futures: Sequence[Future[Any]]) -> None:
    """Wait for all. What can never be answered stops the rest; what was not answered waits for the others."""
    left = set(futures)
    while left:
        done, left = wait(left, return_when=FIRST_EXCEPTION)
        errors = [error for future in done if (error := future.exception())]
        if stop := next((error for error in errors if not isinstance(error, RunFailed)), None):
            for future in left:
                future.cancel()
            raise stop
    missing = [error for future in futures if isinstance(error := future.exception(), RunFailed)]
    if missing:
        raise RunFailed(f"{len(missing)} of {len(futures)} requests: {missing[0].message}", hint=missing[0].hint)


def _usage(reply: Reply) -> Usage:
    return Usage(_STAGE, reply.prompt_tokens, reply.cached_tokens, reply.output_tokens)
