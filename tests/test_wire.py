"""The conversation of loop and worker: whole messages or a clear error, whatever comes over the wire."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import (
    ByteSequence,
    Classes,
    Cost,
    Document,
    Example,
    Failure,
    Image,
    Inputs,
    LogLikelihood,
    Output,
    Prediction,
    Prepared,
    Prompt,
    Ranking,
    Texts,
    Usage,
)
from harness.errors import RunFailed
from harness.wire import Advanced, Channel, Closed, Fault, Message, Predict, Predicted, Prepare, PrepareDone, Setup

text = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False)
outputs: st.SearchStrategy[Output] = st.one_of(
    st.builds(Ranking, st.lists(text), st.lists(numbers)),
    st.builds(Classes, text, st.dictionaries(text, numbers)),
    st.builds(Texts, st.lists(text)),
    st.builds(LogLikelihood, numbers, st.integers(0, 2**40)),
    st.builds(Failure, st.sampled_from(["over_limit", "refused", "unanswered"]), text),
)
usages = st.builds(Usage, stage=text, prompt_tokens=st.integers(0, 2**40), postings=st.integers(0, 2**40))
predictions = st.builds(Prediction, text, outputs, st.lists(usages, max_size=2).map(tuple))
inputs = st.one_of(
    text,
    st.lists(st.one_of(numbers, text, st.none())),
    st.builds(ByteSequence, st.binary()),
    st.builds(Prompt, text, st.lists(st.builds(Image, text, text), max_size=2).map(tuple), text),
)
examples = st.builds(Example, text, inputs, st.none() | st.lists(text).map(tuple))

Pair = tuple[Channel, socket.socket]


@pytest.fixture
def ends() -> Iterator[Pair]:
    """A channel, and the bare socket at its other end."""
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


def passed(message: Message) -> Message | None:
    ours, theirs = socket.socketpair()
    sender, receiver = Channel(ours), Channel(theirs)
    thread = threading.Thread(target=sender.send, args=(message,))  # one longer than the socket's buffer would block
    thread.start()
    received = receiver.receive(5)
    thread.join()
    sender.close()
    receiver.close()
    return received


@given(st.lists(predictions, max_size=3))
def test_predictions_arrive_as_they_were(made: list[Prediction]) -> None:
    message = Predicted(made, Cost(1.5, 2.5, 3))
    assert passed(message) == message


@given(st.lists(examples, max_size=3))
def test_examples_arrive_as_they_were(asked: list[Example]) -> None:
    assert passed(Predict(asked)) == Predict(asked)


def test_every_kind_of_message_arrives() -> None:
    for message in (
        Setup("bm25", "{}", "/", Inputs(), ["q1"], "/scratch", "/cache", 3),
        Prepare(),
        Advanced(1, 2, "documents"),
        PrepareDone(Prepared(1, 2, facts={"terms": 3, "name": "x"}), Cost()),
        Fault("it broke", "mend it"),
    ):
        assert passed(message) == message


def test_large_message_arrives() -> None:
    message = Predicted([Prediction("q", Texts(["x" * 10_000_000]))], Cost())
    assert passed(message) == message


def test_numpy_is_sent_as_numbers_and_lists() -> None:
    sent = Predicted(
        [
            Prediction("array", Ranking(np.array(["a", "b"]), np.array([2.0, 1.0], dtype=np.float32))),  # type: ignore[arg-type]
            Prediction("scalars", Ranking([np.str_("a")], [np.float64(0.1)])),
            Prediction("count", LogLikelihood(np.float32(0.5), np.int64(3))),  # type: ignore[arg-type]
        ],
        Cost(),
    )
    received = passed(sent)
    assert isinstance(received, Predicted)
    assert [prediction.output for prediction in received.predictions] == [
        Ranking(["a", "b"], [2.0, 1.0]),
        Ranking(["a"], [0.1]),
        LogLikelihood(0.5, 3),
    ]


def test_not_a_number_survives_the_wire_so_that_the_protocol_can_refuse_it() -> None:
    received = passed(Predicted([Prediction("q", Ranking(["a", "b"], [math.nan, -math.inf]))], Cost()))
    assert isinstance(received, Predicted)
    (output,) = [prediction.output for prediction in received.predictions]
    assert isinstance(output, Ranking)
    assert math.isnan(output.scores[0])
    assert output.scores[1] == -math.inf


def test_what_cannot_be_sent_is_refused_before_a_byte_is(ends: Pair) -> None:
    channel, other = ends
    with pytest.raises(TypeError, match="neither text nor a number"):
        channel.send(Predicted([Prediction("q", Ranking([object()], []))], Cost()))  # type: ignore[list-item]
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(1)


def test_messages_in_one_gulp_are_told_apart(ends: Pair) -> None:
    channel, other = ends
    other.sendall(frame(Advanced(1, 3, "steps")) + frame(Advanced(2, 3, "steps")) + frame(Prepare()))
    assert [channel.receive(1) for _ in range(3)] == [Advanced(1, 3, "steps"), Advanced(2, 3, "steps"), Prepare()]


def frame(message: Message) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(8, "big") + body


@pytest.mark.parametrize("sent", [0, 3, 8, 12])
def test_half_a_message_is_waited_for_no_longer_than_asked(ends: Pair, sent: int) -> None:
    channel, other = ends
    whole = frame(Advanced(1, 2, "documents"))
    other.sendall(whole[:sent])
    assert channel.receive(0.01) is None
    other.sendall(whole[sent:])
    assert channel.receive(1) == Advanced(1, 2, "documents")


def test_trickle_does_not_extend_the_wait(ends: Pair) -> None:
    channel, other = ends
    whole = frame(Fault("x" * 500))
    stop = threading.Event()

    def trickle() -> None:
        for byte in whole[:-1]:
            if stop.is_set():
                return
            other.sendall(bytes([byte]))
            time.sleep(0.002)

    thread = threading.Thread(target=trickle)
    thread.start()
    assert channel.receive(0.1) is None
    stop.set()
    thread.join()


def test_other_side_gone(ends: Pair) -> None:
    channel, other = ends
    other.sendall(frame(Prepare())[:5])
    other.close()
    with pytest.raises(Closed):
        channel.receive(1)
    with pytest.raises(Closed):
        for _ in range(100):
            channel.send(Fault("x" * 100_000))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage!",
        b"\xc1",
        msgspec.msgpack.encode({"type": "nonsense"}),
        msgspec.msgpack.encode({"type": "predicted", "predictions": [{"id": 1}], "cost": {}}),
        msgspec.msgpack.encode({"type": "fault", "message": "x"}) + b"more",
        b"\x91" * 100_000,
        b"\xa4\xff\xff\xff\xff",
    ],
)
def test_broken_body_is_explained(ends: Pair, body: bytes) -> None:
    channel, other = ends
    other.sendall(len(body).to_bytes(8, "big") + body)
    with pytest.raises(RunFailed, match="wrong shape") as caught:
        channel.receive(1)
    assert caught.value.hint


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_a_message_or_an_explained_error(rubbish: bytes) -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    theirs.sendall(rubbish)
    theirs.close()
    try:
        while True:
            assert isinstance(channel.receive(1), msgspec.Struct)
    except (Closed, RunFailed):
        pass
    finally:
        channel.close()


def test_length_beyond_reason_is_refused_unread(ends: Pair) -> None:
    channel, other = ends
    other.sendall(b"\xff" * 8)
    with pytest.raises(RunFailed, match="sent a message of") as caught:
        channel.receive(1)
    assert "batch_size" in caught.value.hint


def test_documents_keep_the_names_of_the_beir_layout() -> None:
    line = b'{"_id": "d1", "text": "t", "title": "T", "metadata": {"url": "x"}}'
    assert msgspec.json.decode(line, type=Document) == Document("d1", "t", "T")
    assert msgspec.json.decode(msgspec.json.encode(Document("d1", "t"))) == {"_id": "d1", "text": "t"}
