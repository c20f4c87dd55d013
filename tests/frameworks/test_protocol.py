"""The words between us and a program: what a request is, and what every answer means."""

import json
import math

import numpy as np
import pytest

from reflosses import CrossEntropy, Huber, MeanSquaredError, Scaled
from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks import protocol
from reflosses.frameworks.protocol import Abilities, Due, NotInProtocolError, WrongAnswerError

F64, F32, BF16 = FORMATS["float64"], FORMATS["float32"], FORMATS["bfloat16"]
TWO = Due((2,), (2,), (2,))

# ---- requests --------------------------------------------------------------------------------------------------------


def test_the_first_line_says_which_loss_it_is() -> None:
    loss = Scaled(0.5, Huber(delta=0.7))
    assert json.loads(protocol.introduction(loss, F32)) == {
        "reflosses": 1,
        "loss": "Huber",
        "parameters": {"delta": 0.7},
        "reduction": "mean",
        "factor": 0.5,
        "dtype": "float32",
    }
    weighted = json.loads(protocol.introduction(CrossEntropy(class_weight=np.array([0.25, 3.0])), F64))
    assert weighted["parameters"]["class_weight"] == [0.25, 3.0]
    assert weighted["parameters"]["ignore_index"] is None


def test_a_request_is_one_line_with_flat_lists() -> None:
    yhat = np.array([[0.1, math.inf, -math.inf], [math.nan, -0.0, 5e-324]])
    line = protocol.request({"y": np.array([0, 2]), "yhat": yhat, "weight": np.array([1.0, 0.0])}, F64, binary=False)
    assert line == (
        b'{"shape": [2, 3], "y_shape": [2], "y": [0, 2], "yhat": [0.1, "Infinity", "-Infinity", "NaN", -0.0, 5e-324], '
        b'"weight": [1.0, 0.0]}\n'
    )
    scalar = protocol.request({"y": np.array(0.5), "yhat": np.array(0.1)}, F32, binary=False)
    assert scalar == b'{"shape": [], "y_shape": [], "y": [0.5], "yhat": [0.10000000149011612]}\n'  # 13421773 / 2^27
    empty = protocol.request({"y": np.zeros((0, 2)), "yhat": np.zeros((0, 2))}, F32, binary=False)
    assert empty == b'{"shape": [0, 2], "y_shape": [0, 2], "y": [], "yhat": []}\n'


def test_large_arrays_follow_as_bytes() -> None:
    call = {"y": np.array([1, 0], np.int32), "yhat": np.array([[1.0, -2.0], [0.5, 0.0]])[:, ::-1]}
    line, _, numbers = protocol.request(call, F32, binary=True).partition(b"\n")
    assert json.loads(line) == {"shape": [2, 2], "y_shape": [2], "y_dtype": "int64", "counts": [2, 4, 0]}
    assert numbers == bytes.fromhex("0100000000000000 0000000000000000 000000c0 0000803f 00000000 0000003f")


def test_bfloat16_is_the_upper_half_of_a_float32() -> None:
    numbers = np.array([1.0, -2.0, 3.140625, math.inf, 2.0**-133, 1 + 2.0**-8])  # the last one is a tie: to even
    assert protocol.packed(numbers, BF16).hex(" ", 2) == "803f 00c0 4940 807f 0100 803f"
    every = np.arange(65536, dtype="<u2").tobytes()
    back = protocol.unpacked(every, BF16)
    known = ~np.isnan(back)
    assert known.sum() == 65536 - 2 * 127  # an exponent of ones with another fraction than 0 is NaN
    assert (np.frombuffer(protocol.packed(back, BF16), "<u2")[known] == np.arange(65536)[known]).all()
    assert np.isnan(protocol.unpacked(protocol.packed(np.array([math.nan]), BF16), BF16)).all()


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_round_to_the_format(name: str) -> None:
    form = FORMATS[name]
    numbers = np.array([0.1, -1e300, form.smallest, form.max, -0.0])
    data = protocol.packed(numbers, form)
    assert len(data) == 5 * {"float64": 8, "float32": 4}.get(name, 2)
    assert protocol.unpacked(data, form).tolist() == form.round(numbers).tolist()


# ---- answers ---------------------------------------------------------------------------------------------------------


def answer_of(line: bytes, right: Due) -> Answer:
    return protocol.from_json(protocol.reply(line), right)


def test_numbers_come_as_decimals_or_in_texts() -> None:
    line = b'{"value": [0.5, "0x1.8p+1"], "gradient": ["-Infinity", 3]}'
    answer = answer_of(line, TWO)
    assert (answer.value.tolist(), answer.grad.tolist()) == ([0.5, 3.0], [-math.inf, 3.0])
    for text, number in {
        "inf": math.inf,
        "-0X1P-2": -0.25,
        "+Infinity": math.inf,
        "10": 10.0,
        "1e400": math.inf,
    }.items():
        assert answer_of(f'{{"value": "{text}"}}'.encode(), TWO).value == number
    for text in ("nan", "-nan", "NaN"):
        assert np.isnan(answer_of(f'{{"value": "{text}"}}'.encode(), TWO).value)
    assert answer_of(b'{"value": 1' + b"0" * 5000 + b"}", TWO).value == math.inf


def test_a_list_takes_the_shape_that_is_due_and_a_wrong_count_keeps_its_own() -> None:
    right = protocol.due(CrossEntropy(reduction="none", axis=1), (2, 3, 4))
    assert right == Due((2, 4), (2, 4), (2, 3, 4))
    assert protocol.due(CrossEntropy(axis=1), (2, 3, 4)) == Due((), (2, 4), (2, 3, 4))
    ones = json.dumps([1.0] * 24)
    answer = answer_of(f'{{"value": {json.dumps([1.0] * 8)}, "gradient": {ones}}}'.encode(), right)
    assert (answer.value.shape, answer.grad.shape) == ((2, 4), (2, 3, 4))
    answer = answer_of(b'{"value": [1, 2, 3], "gradient": [1, 2]}', right)
    assert (answer.value.shape, answer.grad.shape) == ((3,), (2,))
    mean = protocol.due(MeanSquaredError(), (3,))
    assert answer_of(b'{"value": [1]}', mean).value.shape == ()
    assert answer_of(b'{"value": [1, 2, 3]}', mean).value.shape == (3,)  # one each, where one is due
    assert answer_of(b'{"value": 1}', protocol.due(MeanSquaredError(reduction="none"), (1,))).value.shape == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{}", 'it answers without "value", "gradient" and "error"'),
        (b'{"value": null}', 'it answers without "value", "gradient" and "error"'),
        (b'{"error": "no\\u001b[31m rows\\nplease"}', "it says: no [31m rows please"),
        (b'{"error": 3}', "it says: error"),
        (b'{"valeu": [1, 2]}', "unknown key 'valeu'; did you mean value? it may have value, gradient, counts, error"),
        (b'{"value": [1, null]}', 'its value has null at 1: write NaN and infinities as texts, "NaN" or "Infinity"'),
        (b'{"value": [[1, 2]]}', "its value is nested: one flat list of numbers is due"),
        (b'{"value": [1, "two"]}', "its value has 'two' at 1, no number"),
        (b'{"value": [1, true]}', "its value has 'true' at 1, no number"),
        (b'{"value": {"a": 1}}', "its value has '{\"a\": 1.0}', no number"),
        (b'{"gradient": ["0x1p99999", 1]}', "its gradient has '0x1p99999' at 0, no number"),
    ],
)
def test_a_wrong_answer_is_told_in_words(line: bytes, why: str) -> None:
    with pytest.raises(WrongAnswerError) as caught:
        answer_of(line, TWO)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "sent a line that is no JSON: ''"),
        (b"loading\x1b[31m", "no JSON: 'loading [31m'; print other words on the standard error"),
        (b'{"value": [nan]}', "no JSON: '{\"value\": [nan]}'; NaN and infinities need quotes"),
        (b"\xff\xfe{", "sent a line that is no JSON"),
        (b"[" * 100_000, "sent a line that is no JSON: '[[["),
        (b"[1, 2]", "sent a line that is no JSON object: '[1, 2]'"),
        (b'"text"', "no JSON object"),
    ],
)
def test_what_is_no_answer_is_told_in_words(line: bytes, why: str) -> None:
    with pytest.raises(NotInProtocolError) as caught:
        answer_of(line, TWO)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_first_answer_says_what_a_program_can_do() -> None:
    assert protocol.abilities(b'{"reflosses": 1}') == Abilities(binary=False, weight=False, subnormals=True)
    said = b'{"reflosses": 1, "binary": true, "weight": true, "subnormals": false}'
    assert protocol.abilities(said) == Abilities(binary=True, weight=True, subnormals=False)
    for line, why in {
        b'{"reflosses": 2}': 'it does not answer the first line with {"reflosses": 1}',
        b'{"value": 3}': "unknown key 'value'",
        b'{"reflosses": 1, "weights": true}': "unknown key 'weights'; did you mean weight?",
        b'{"reflosses": 1, "binary": 1}': '"binary" in its first answer is neither true nor false',
        b'{"error": "only Huber"}': "it says: only Huber",
    }.items():
        with pytest.raises(WrongAnswerError) as caught:
            protocol.abilities(line)
        assert why in str(caught.value)


def test_counts_announce_bytes() -> None:
    assert protocol.counts_in(protocol.reply(b'{"counts": [2, 0]}'), 100, F64) == (2, 0)
    assert protocol.counts_in(protocol.reply(b'{"value": 1}'), 100, F64) is None
    for line, why in {
        b'{"counts": [1e12, 5]}': "announced 1000000000000 values and 5 slopes, far more than are due",
        b'{"counts": [-1, 5]}': "no two numbers of values and slopes",
        b'{"counts": [1.5, 5]}': "no two numbers of values and slopes",
        b'{"counts": [1]}': "no two numbers of values and slopes",
        b'{"counts": [1e999, 5]}': "no two numbers of values and slopes",
    }.items():
        with pytest.raises(NotInProtocolError) as caught:
            protocol.counts_in(protocol.reply(line), 100, F64)
        assert why in str(caught.value)
    both = protocol.packed(np.array([0.5, 3.0, -1.0, 2.0]), F32)
    answer = protocol.from_bytes((2, 2), both, F32, TWO)
    assert (answer.value.tolist(), answer.grad.tolist()) == ([0.5, 3.0], [-1.0, 2.0])
    assert protocol.from_bytes((0, 2), both[:8], F32, TWO)[:2][0] is None
    with pytest.raises(WrongAnswerError, match="without"):
        protocol.from_bytes((0, 0), b"", F32, TWO)
