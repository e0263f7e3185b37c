"""Every answer of an endpoint is obtained or left as missing work; none is scored wrongly for the endpoint's faults."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness import registry
from harness.contract import (
    Example,
    Failure,
    Image,
    Inputs,
    Places,
    Prediction,
    Prompt,
    Request,
    Resources,
    Texts,
    Usage,
)
from harness.endpoint.client import key_name
from harness.endpoint.pace import Pace
from harness.endpoint.replies import Rejected, retry_after
from harness.errors import RunFailed
from harness.models.causal_lm import CausalLM, CausalLMConfig
from harness.models.served import Served, ServedConfig
from harness.store import open_database, read
from tests.models.endpoints import FAULTS, completion, send, served
from tests.models.tiny_lm import save_tiny_lm

ASKED = [Example(f"q{n}", Prompt(f"echo {n}")) for n in range(6)]


def echo(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    send(handler, 200, completion(body["messages"][-1]["content"].removeprefix("echo ")))


def model(url: str, tmp_path: Path, samples: int = 1, **settings: Any) -> Served:
    quick = {"retries": 2, "timeout_seconds": 0.5, "longest_wait_seconds": 5}
    made = Served(ServedConfig.model_validate({"base_url": url, "model": "stub", **quick, **settings}), seed=7)
    request = Request(max_output_tokens=120, samples=samples)
    made.prepare(Resources(Inputs(request=request), [], tmp_path, tmp_path))
    return made


def texts(predictions: Sequence[Prediction]) -> list[Any]:
    return [p.output.texts[0] if isinstance(p.output, Texts) else p.output for p in predictions]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_no_answer(fault: str, tmp_path: Path) -> None:
    tries: Counter[str] = Counter()

    def once_broken(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        text = body["messages"][-1]["content"]
        tries[text] += 1
        (FAULTS[fault] if tries[text] == 1 and text != "echo 0" else echo)(handler, body)

    with served(once_broken) as (url, _):
        asked = model(url, tmp_path)
        assert texts(asked.predict(ASKED)) == [str(n) for n in range(6)]
        assert asked.findings()["attempts"] == 6 + 5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_missing_work_and_the_others_are_kept(fault: str, tmp_path: Path) -> None:
    def broken_for_two(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (FAULTS[fault] if body["messages"][-1]["content"] in ("echo 1", "echo 4") else echo)(handler, body)

    with served(broken_for_two) as (url, _), pytest.raises(RunFailed, match="2 of 6 requests"):
        model(url, tmp_path, retries=1).predict(ASKED)
    with served(echo) as (mended, got):
        # Another port is another endpoint: nothing is taken from the cache of the first.
        assert texts(model(mended, tmp_path).predict(ASKED)) == [str(n) for n in range(6)]
        assert len(got) == 6


def test_a_run_over_all_faults_ends_with_every_answer_and_none_scored_wrongly(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    """All faults at once stop the run; mended, the same command asks for the rest, and accounts for all of it."""
    mended = threading.Event()
    faults = list((FAULTS | {"hang": lambda *_: mended.wait(20)}).values())

    def looked_up(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        haystack, question = body["messages"][0]["content"].split("\n", 1)
        key = question.split('Key: "')[1].split('"')[0]
        chosen = int(key[:8], 16) % (2 * len(faults))
        if not mended.is_set() and chosen < len(faults) and key not in early:
            faults[chosen](handler, body)
        else:
            send(handler, 200, completion(json.dumps(json.loads(haystack)[key])))

    first_batch = [example.input for example in registry.task("needle/single/2").load(Places.default()).examples[:20]]
    early = {prompt.text.split('Key: "')[1].split('"')[0] for prompt in first_batch if isinstance(prompt, Prompt)}
    with served(looked_up) as (url, got):
        file = tmp_path / "stub.yaml"
        settings = "retries: 0\n  timeout_seconds: 2\n  batch_size: 20\n  input_dollars: 2\n"
        file.write_text(f"name: stub\nmodel:\n  kind: served\n  base_url: {url}\n  model: stub\n  {settings}")
        arguments = ("eval", file, "--task", "needle/single/2", "--json")
        failed = json.loads(command(*arguments).out)[0]
        assert failed["state"] == "failed" and "gave no answer" in failed["reason"]
        assert "run the same command again" in failed["next_step"]
        before = Counter(entry["body"]["messages"][0]["content"] for entry in got)
        mended.set()
        done = json.loads(command(*arguments).out)[0]
    accuracy = done["results"][0]
    assert (done["state"], accuracy["coverage"], accuracy["value"]) == ("done", 1.0, 1.0)
    assert (accuracy["verification"], accuracy["predict_cpu_seconds"]) == ("rescored", None)
    asked = Counter(entry["body"]["messages"][0]["content"] for entry in got)
    assert len(asked) == 100 and 20 < len(before) < 100
    assert max(asked.values()) == 2 and sum(asked.values()) < 120, "what was answered was not asked again"
    facts = read.run(open_database(str(tmp_path / "results.db"), create=False), done["run"]).prepared
    assert (facts["replies"], facts["prompt_tokens"], facts["served_model"]) == (100, 1100, "stub-1")
    assert facts["dollars"] == pytest.approx(1100 * 2 / 1e6), "of both attempts"


def test_findings_are_of_all_attempts_and_count_what_was_asked_twice_once(tmp_path: Path) -> None:
    with served(echo) as (url, _):
        model(url, tmp_path).predict(ASKED[:4])
        with (tmp_path / "answer-notes.jsonl").open("ab") as file:
            file.write(b'\n["q9",[{"te')  # a crash while it was written
        resumed = model(url, tmp_path)
        resumed.predict(ASKED[3:])
    found = resumed.findings()
    assert (found["replies"], found["attempts"], found["prompt_tokens"], found["output_tokens"]) == (6, 6, 66, 18)


def test_retry_after_is_honoured_and_too_long_a_wait_is_missing_work(tmp_path: Path) -> None:
    times: list[float] = []

    def limited(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            send(handler, 429, {}, Retry_After="1")
        else:
            echo(handler, body)

    with served(limited) as (url, _):
        assert texts(model(url, tmp_path).predict(ASKED[:1])) == ["0"]
    assert 1 <= times[1] - times[0] < 3
    long = served(lambda handler, _: send(handler, 429, {}, Retry_After="3600"))
    with long as (url, got), pytest.raises(RunFailed, match="asks to wait 3600 s"):
        model(url, tmp_path).predict(ASKED[:1])
    assert len(got) == 1
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_will_never_be_answered_is_asked_once(status: int, tmp_path: Path) -> None:
    with served(lambda handler, _: send(handler, status, {"error": {"message": "no such thing"}})) as (url, got):
        with pytest.raises(Rejected, match=f"status {status}: no such thing") as error:
            model(url, tmp_path, concurrency=1).predict(ASKED[:1])
        assert len(got) == 1
    assert status not in (401, 403) or "HARNESS_KEY_127_0_0_1" in error.value.hint


def test_a_context_that_is_too_long_is_over_the_limit(tmp_path: Path) -> None:
    said = {"error": {"message": "This model's maximum context length is 10 tokens", "code": "context_length_exceeded"}}
    with served(lambda handler, _: send(handler, 400, said)) as (url, _):
        (prediction,) = model(url, tmp_path).predict(ASKED[:1])
    assert isinstance(prediction.output, Failure) and prediction.output.kind == "over_limit"
    with served(lambda handler, _: send(handler, 200, completion("guess"))) as (url, _):
        (cut,) = model(url, tmp_path).predict([Example("long", Prompt("a b " * 1000))])  # 11 tokens, says the stub
    assert isinstance(cut.output, Failure) and "it was cut" in cut.output.message


def test_refusals_and_spent_budgets_are_answers(tmp_path: Path) -> None:
    replies = iter([completion("", "content_filter"), completion(None, "length"), completion(None, refusal="no")])
    with served(lambda handler, _: send(handler, 200, next(replies))) as (url, _):
        asked = model(url, tmp_path, concurrency=1)
        found = texts([asked.predict([example])[0] for example in ASKED[:3]])
    assert [f.kind if isinstance(f, Failure) else f for f in found] == ["refused", "", "refused"]


def test_the_key_comes_from_the_environment_of_its_host_and_is_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key_name("https://api.openai.com/v1") == "HARNESS_KEY_API_OPENAI_COM"
    monkeypatch.setenv("HARNESS_KEY_127_0_0_1", "sk-secret")
    monkeypatch.setenv("HARNESS_KEY_API_OPENAI_COM", "sk-other")
    with served(echo) as (url, got):
        asked = model(url, tmp_path)
        asked.predict(ASKED[:2])
        assert {entry["key"] for entry in got} == {"Bearer sk-secret"}
        assert "sk-" not in str(asked.findings())
    quoted = {"error": {"message": "Incorrect API key provided: sk-secret"}}
    with served(lambda handler, _: send(handler, 401, quoted)) as (url, _), pytest.raises(Rejected) as error:
        model(url, tmp_path).predict(ASKED[:1])
    assert "sk-secret" not in error.value.message and "[the key]" in error.value.message
    kept = [path.read_bytes() for path in tmp_path.rglob("*.json")]
    assert len(kept) == 2 and not any(b"sk-secret" in content for content in kept)


def test_wrong_names_and_dead_endpoints_are_told_before_a_prompt_is_sent(tmp_path: Path) -> None:
    with served(echo, models=("qwen3-4b", "stab")) as (url, got):
        with pytest.raises(Rejected, match="no model 'stub'") as error:
            model(url, tmp_path).predict(ASKED)
        assert "stab" in error.value.hint and not got
    with pytest.raises(RunFailed, match=r"6 of 6 requests: .* gave no answer in 1 attempts"):
        model(url, tmp_path, retries=0).predict(ASKED)  # the server is gone


def test_an_endpoint_that_is_down_is_a_sentence_and_no_traceback(command: Callable[..., Any], tmp_path: Path) -> None:
    with served(echo) as (url, _):
        pass  # the server is gone, and its port with it
    file = tmp_path / "down.yaml"
    file.write_text(f"name: down\nmodel:\n  kind: served\n  base_url: {url}\n  model: stub\n  retries: 0\n")
    ended = command("eval", file, "--task", "needle/single/2", "--limit", 2)
    assert ended.code == 1
    assert f"{url} gave no answer in 1 attempts" in ended.err and "run the same command again" in ended.err
    assert ".py" not in ended.err


def test_replies_are_kept_by_all_that_matters(tmp_path: Path) -> None:
    with served(echo) as (url, got):
        first = model(url, tmp_path).predict(ASKED)
        charged = model(url, tmp_path)
        assert charged.predict(ASKED) == first and len(got) == 6
        for other in ({"max_output_tokens": 99}, {"temperature": 0.5}, {"extra": {"top_p": 0.9}}):
            before = len(got)
            model(url, tmp_path, **other).predict(ASKED[:1])
            assert len(got) == before + 1, other
        model(url, tmp_path, keep_replies=False).predict(ASKED[:1])
        assert len(got) == 10
    assert first[0].usage == (Usage("serve", prompt_tokens=11, cached_tokens=4, output_tokens=3),)


def test_samples_have_seeds_of_their_own_and_prices_add_up(tmp_path: Path) -> None:
    prices = {"input_dollars": 1.0, "cached_dollars": 0.5, "output_dollars": 10.0}
    with served(echo) as (url, got):
        asked = model(url, tmp_path, samples=3, temperature=1.0, **prices)
        (prediction,) = asked.predict(ASKED[:1])
    assert sorted(entry["body"]["seed"] for entry in got) == [7, 8, 9]
    assert prediction.output == Texts(["0"] * 3)
    found = asked.findings()
    assert found["dollars"] == pytest.approx(3 * (7 * 1.0 + 4 * 0.5 + 3 * 10.0) / 1e6)
    assert (found["served_model"], found["system_fingerprint"]) == ("stub-1", "fp_1")


def test_images_travel_within_the_request(tmp_path: Path) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    prompt = Prompt("What is it?", images=(Image(str(picture), "0"),), system="Look.")
    with served(lambda handler, _: send(handler, 200, completion("a cat"))) as (url, got):
        assert model(url, tmp_path, images=True).offers == {"texts", "images"}
        assert texts(model(url, tmp_path, images=True).predict([Example("q", prompt)])) == ["a cat"]
    system, user = got[0]["body"]["messages"]
    shown, text = user["content"]
    assert system == {"role": "system", "content": "Look."}
    assert text == {"type": "text", "text": "What is it?"}
    prefix, _, data = shown["image_url"]["url"].partition(",")
    assert (prefix, base64.b64decode(data)) == ("data:image/png;base64", picture.read_bytes())


def test_tokens_in_flight_are_limited_and_a_large_request_goes_alone() -> None:
    pace, lock, most, now = Pace(100, None), threading.Lock(), 0, 0

    def work(tokens: int) -> None:
        nonlocal most, now
        with pace.request(tokens):
            with lock:
                now += tokens
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= tokens

    threads = [threading.Thread(target=work, args=(tokens,)) for tokens in [40] * 8 + [500]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 500, "two or fewer of 40 at a time, and the large one by itself"


def test_a_rate_limit_spaces_requests() -> None:
    pace, begun = Pace(100, 60 * 20), time.monotonic()  # 20 a second
    for _ in range(4):
        with pace.request(1):
            pass
    assert time.monotonic() - begun >= 3 / 20


@pytest.mark.parametrize(
    "bad",
    [
        {"base_url": "ftp://host/v1"},
        {"base_url": "http://me:secret@host/v1"},
        {"base_url": "http://host/v1?key=secret"},
        {"extra": {"messages": []}},
        {"api_key": "sk-secret"},
    ],
)
def test_settings_that_cannot_be(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServedConfig.model_validate({"base_url": "http://host/v1", "model": "m", **bad})


def test_a_real_model_served_over_http_answers_as_it_does_in_process(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    folder = save_tiny_lm(tmp_path / "tiny")
    local = CausalLM(CausalLMConfig(model=str(folder), max_output_tokens=8), seed=0)
    local.prepare(Resources(Inputs(request=Request(max_output_tokens=8)), [], tmp_path, tmp_path))
    lock = threading.Lock()

    def generate(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with lock:
            (prediction,) = local.predict([Example("q", Prompt(body["messages"][-1]["content"]))])
        if isinstance(prediction.output, Failure):
            send(handler, 400, {"error": {"message": "the context length is exceeded"}})
            return
        reply = completion(prediction.output.texts[0])
        (usage,) = prediction.usage
        reply["usage"] = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.output_tokens}
        send(handler, 200, reply)

    (tmp_path / "local.yaml").write_text(
        f"name: local\nmodel:\n  kind: causal_lm\n  model: {folder}\n  max_output_tokens: 8\n"
    )
    with served(generate, models=("tiny",)) as (url, _):
        (tmp_path / "served.yaml").write_text(
            f"name: served\nmodel:\n  kind: served\n  base_url: {url}\n  model: tiny\n  max_output_tokens: 8\n"
        )
        arguments = ("--task", "needle/single/2", "--task", "needle/single/25", "--limit", 6, "--json")
        ended = command("eval", "local.yaml", "served.yaml", *arguments)
    assert ended.code == 0, ended.err
    outcomes = json.loads(ended.out)
    assert {outcome["state"] for outcome in outcomes} == {"done"}
    from harness.store import read_examples

    database = open_database(str(tmp_path / "results.db"), create=False)
    for one, other in (outcomes[:2], outcomes[2:]):
        ours, theirs = (read_examples.example_scores(database, o["run"])[1] for o in (one, other))
        assert {name: column.tolist() for name, column in ours.items()} == {
            name: column.tolist() for name, column in theirs.items()
        }
    assert [o["results"][0]["coverage"] for o in outcomes] == [1.0, 1.0, 0.0, 0.0], "25 pairs are over its limit"
