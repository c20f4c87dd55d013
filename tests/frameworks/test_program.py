"""Programs as candidates: whatever one does is reported, in time; and they are judged as their twins in Python are."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from client_programs import CUT, NAIVE, built, client

from reflosses import Huber, MeanSquaredError, NegativeLogLikelihood, Program, check
from reflosses.__main__ import main
from reflosses.comparison.candidate import Answer
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.processes import CannotLoadError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs need pipes of POSIX")

ROOT = Path(__file__).parents[2]
F64 = FORMATS["float64"]
SQUARED = MeanSquaredError(reduction="none")
HUBER = Huber(delta=0.7, reduction="none")
Y, YHAT = np.array([0.5, 3.0]), np.array([0.25, 7.0])

# ---- programs in Python, for what they do wrong ----------------------------------------------------------------------

START = """
import json, os, signal, sys, time
def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
def ask():
    return json.loads(sys.stdin.readline() or sys.exit())
def right(call):
    pairs = list(zip(call["y"], call["yhat"]))
    answer = {"value": [(p - y) ** 2 for y, p in pairs], "gradient": [2 * (p - y) for y, p in pairs]}
    return json.dumps(answer) + chr(10)
HELLO = '{"reflosses": 1}' + chr(10)
"""
HELLO = START + "ask(); say(HELLO)\n"
RIGHT = HELLO + "while True: say(right(ask()))\n"

Make = Callable[..., Program]


@pytest.fixture
def program() -> Iterator[Make]:
    """A program from Python code, which knows its loss."""
    made = []

    def make(code: str, *, loss: Any = SQUARED, limit: float = 20.0, dtype: str = "float64") -> Program:
        made.append(Program([sys.executable, "-I", "-S", "-c", code], limit=limit))
        made[-1].begin(loss, FORMATS[dtype])
        return made[-1]

    yield make
    for one in made:
        one.close()


def is_right(answer: Answer) -> bool:
    value, grad = answer.value, answer.grad
    assert value is not None
    assert grad is not None
    return value.tolist() == [0.0625, 16.0] and grad.tolist() == [-0.5, 8.0] and not answer.error  # ¼², 4²


def pid_of(asked: Program) -> int:
    assert asked._pipes is not None
    return asked._pipes._process.pid


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_value_and_gradient_come_back_as_float64(program: Make) -> None:
    asked = program(RIGHT)
    for _ in range(2):
        answer = asked.ask(Y, YHAT)
        assert is_right(answer)
        assert answer.value.dtype == answer.grad.dtype == np.float64
    assert (asked.takes_weight, asked.differentiates, asked.given_up) == (False, False, False)
    assert asked.subnormals
    assert repr(asked).startswith(sys.executable)
    assert asked.ask(Y, YHAT, upstream=np.ones(2)).error.startswith("it cannot multiply its losses")


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (HELLO + "os._exit(3)", "its process exited with status 3"),
        (HELLO + "ask(); os.kill(os.getpid(), signal.SIGSEGV)", "its process was killed by signal SIGSEGV"),
        (
            HELLO + "ask(); say('{\"value\": [1.0'); sys.exit(0)",
            "its process exited with status 0 in the middle of an answer",
        ),
        (
            HELLO + "ask(); say('what?' + chr(10))",
            "its process sent a line that is no JSON: 'what?'; print other words",
        ),
        (HELLO + "while True: say('x' * 65536)", "its process sent "),
        (
            HELLO + "ask(); say('{\"value\": [')\nwhile True: say('1.0, ' * 9999)",
            'bytes without an end of line: \'{"value"',
        ),
        (HELLO + "ask(); print('no such\\nGPU', file=sys.stderr); sys.exit(9)", "its process exited with status 9"),
        (
            HELLO + "import subprocess; subprocess.Popen(['sleep', '99']); ask(); os._exit(4)",
            "its process exited with status 4",
        ),
        pytest.param(
            *(HELLO + "ask(); x = bytearray(99 << 30); say(HELLO)", "its process exited with status 1"),
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of another process"),
        ),
    ],
)
def test_an_end_or_garbage_is_an_answer_and_the_program_starts_anew(code: str, fault: str, program: Make) -> None:
    asked = program(code)
    for n in range(3):
        answer = asked.ask(Y, YHAT)
        assert fault in answer.fault
        assert answer.value is None
        assert asked.given_up == (n == 2)
        assert answer.where == ("on its standard error: GPU" if "GPU" in code else answer.where)
    assert asked.ask(Y, YHAT).fault == "it is not called any more, after 3 crashes or timeouts"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (
            HELLO + "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(99)  # reads nothing",
            "it gives no answer within 0.3 s",
        ),
        (HELLO + "ask(); say('{\"value\": '); time.sleep(99)", "within 0.3 s; it sent '{\"value\":' and no more"),
        (HELLO + "\nwhile True: os.write(2, b'noise\\n' * 999)", "0.3 s (on its standard error: n"),
        (START + "ask(); os.close(0); say(HELLO); time.sleep(99)", "its process closed its standard input"),
        (HELLO + "ask(); os.close(1); time.sleep(99)", "its process closed its standard output"),
        (HELLO + "ask()\nos.kill(os.getpid(), signal.SIGSTOP)", "it gives no answer within 0.3 s"),
    ],
)
def test_no_call_lasts_longer_than_the_limit(code: str, fault: str, program: Make) -> None:
    asked = program(code, limit=20.0)
    asked._limit = 0.3  # after the start, which may be slow on a busy machine
    pid, start = pid_of(asked), time.monotonic()
    ones = np.ones(200_000 if "reads nothing" in code else 2)  # more than a pipe holds
    answer = asked.ask(ones, ones)
    assert fault in answer.fault
    assert time.monotonic() - start < 5
    assert not is_alive(pid)


def test_what_nobody_asked_for_is_an_error_of_the_next_call(program: Make) -> None:
    asked = program(HELLO + "say(right(ask()) + '{\"value\": 1}' + chr(10)); ask(); time.sleep(99)")
    assert is_right(asked.ask(Y, YHAT))
    assert asked.ask(Y, YHAT).fault == "its process sent something that nobody asked for: '{\"value\": 1}'"


def test_a_program_may_say_what_it_can_do_before_it_is_asked(program: Make) -> None:
    assert is_right(program(START + "say(HELLO); ask()\nwhile True: say(right(ask()))").ask(Y, YHAT))


def test_an_error_in_words_is_no_reason_to_give_up(program: Make) -> None:
    asked = program(HELLO + 'while True: ask(); say(\'{"error": "no rows"}\' + chr(10))')
    assert [asked.ask(Y, YHAT).fault for _ in range(5)] == ["it says: no rows"] * 5
    assert not asked.given_up


def test_words_on_the_standard_error_are_a_note(program: Make) -> None:
    asked = program(HELLO + "while True: os.write(2, b'slow\\x1b path\\n'); time.sleep(0.05); say(right(ask()))")
    answers = [asked.ask(Y, YHAT) for _ in range(4)]
    assert all(map(is_right, answers))
    notes = [answer.note for answer in answers if answer.note]
    assert notes == ["it writes on its standard error: slow path"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            START + "say('Loading' + chr(10)); time.sleep(99)",
            "its process sent a line that is no JSON: 'Loading'; print",
        ),
        ("while True: print('x' * 65536)", "its process sent a line that is no JSON: 'xxx"),
        (
            "import sys, time; sys.stdout.write('x' * 99_999); sys.stdout.flush(); time.sleep(99)",
            "without an end of line: 'xxx",
        ),
        ("import sys; sys.exit('no library')", "its process exited with status 1 (on its standard error: no library)"),
        (START + 'ask(); say(\'{"error": "only Huber"}\' + chr(10))', "cannot be started: it says: only Huber"),
        (START + "ask(); say('{\"value\": 3}' + chr(10))", "unknown key 'value'"),
    ],
)
def test_a_wrong_start_is_an_error(code: str, why: str, program: Make) -> None:
    with pytest.raises(CannotLoadError, match=re.escape(why)):
        program(code)


def test_a_start_has_the_limit_of_a_call(program: Make) -> None:
    with pytest.raises(CannotLoadError, match=r"cannot be started: no answer within 0\.2 s$"):
        program("import time; time.sleep(99)", limit=0.2)


def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_loss").write_text("no program", "utf-8")
    for command, why in {
        ("./nothing",): "./nothing cannot be started: No such file or directory",
        ("my_loss", "a b"): "my_loss 'a b' cannot be started: No such file or directory; did you mean ./my_loss?",
        ("./my_loss",): "./my_loss cannot be started: Permission denied",
        (".",): ". cannot be started: Permission denied",
        ("a\0b",): "cannot be started: embedded null byte",
    }.items():
        with pytest.raises(CannotLoadError, match=re.escape(why)):
            Program(command).begin(SQUARED, F64)
    Path("my_loss").chmod(0o755)
    with pytest.raises(CannotLoadError, match=r"^\./my_loss cannot be started: Exec format error$"):
        Program(["./my_loss"]).begin(SQUARED, F64)


@pytest.mark.parametrize("command", ["./my_loss", [], [3], None])
def test_a_command_is_a_list_of_texts(command: Any) -> None:
    with pytest.raises(TypeError, match="Program: command"):
        Program(command)
    with pytest.raises(ValueError, match="limit is 0, not a number of seconds above 0"):
        Program(["a"], limit=0)
    with pytest.raises(RuntimeError, match=r"call begin\(loss, form\) before ask"):
        Program(["a"]).ask(Y, YHAT)


def test_a_program_is_told_anew_when_the_question_changes(program: Make) -> None:
    code = START + "first = ask(); say(HELLO)\nwhile True: ask(); say('{\"error\": \"%s\"}' % first['dtype'] + chr(10))"
    asked = program(code)
    pid = pid_of(asked)
    asked.begin(SQUARED, F64)
    assert pid_of(asked) == pid
    asked.begin(SQUARED, FORMATS["float16"])
    assert asked.ask(Y, YHAT).fault == "it says: float16"
    assert not is_alive(pid)
    pid = pid_of(asked)
    asked.close()
    assert not is_alive(pid)
    assert asked.ask(Y, YHAT).fault == "it says: float16"  # started again


def test_a_program_ends_with_the_last_reference(program: Make) -> None:
    asked = Program([sys.executable, "-I", "-S", "-c", RIGHT])
    asked.begin(SQUARED, F64)
    pid = pid_of(asked)
    del asked
    assert not is_alive(pid)


def test_threads_share_a_program(program: Make) -> None:
    asked = program(RIGHT)
    found: dict[int, list[float]] = {}

    def ask(k: int) -> None:
        answers = [asked.ask(np.array([0.0]), np.array([float(k)])) for _ in range(30)]
        found[k] = [float(a.value[0]) for a in answers if a.value is not None]

    threads = [Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: [float(k * k)] * 30 for k in range(4)}


WEIGHTED = (
    START
    + """
import struct
ask(); say('{"reflosses": 1, "weight": true, "binary": true}' + chr(10))
while True:
    call = json.loads(sys.stdin.buffer.readline() or sys.exit())
    if "counts" in call:
        n, _, m = call["counts"]
        data = struct.unpack("<%de" % (2 * n + m), sys.stdin.buffer.read(2 * (2 * n + m)))
        y, yhat, weight = data[:n], data[n : 2 * n], data[2 * n :] or [1.0] * n
    else:
        y, yhat = ([float(x) for x in call[key]] for key in ("y", "yhat"))
        weight = call.get("weight", [1.0] * len(y))
    each = [(w, p - t) for w, t, p in zip(weight, y, yhat)]
    value = [w and w * r * r for w, r in each]
    grad = [w and 2 * w * r for w, r in each]
    if "counts" in call:
        say('{"counts": [%d, %d]}' % (n, n) + chr(10))
        sys.stdout.buffer.write(struct.pack("<%de" % (2 * n), *value, *grad))
        sys.stdout.buffer.flush()
    else:
        say(json.dumps({"value": [str(x) for x in value], "gradient": [str(x) for x in grad]}) + chr(10))
"""
)


def test_weights_and_bytes(program: Make) -> None:
    asked = program(WEIGHTED, dtype="float16")
    assert asked.takes_weight
    large = np.resize(YHAT, 3000), np.resize(Y, 3000), np.resize([2.0, 0.0], 3000)
    answer, small = asked.ask(*large), asked.ask(Y, YHAT, np.array([2.0, 0.0]))
    assert small.value.tolist() == [0.125, 0.0] == answer.value[:2].tolist()
    assert answer.grad.tolist() == (-np.resize(small.grad, 3000)).tolist()
    assert asked.ask(*large[:2]).value[:2].tolist() == [0.0625, 16.0]


def test_class_indices(program: Make) -> None:
    code = (
        HELLO
        + """
while True:
    call = ask()
    (n, k), y = call["shape"], call["y"]
    if call["y_shape"] != [n] or not all(type(i) is int for i in y):
        say('{"error": "only class indices"}' + chr(10))
        continue
    yhat = [float(x) for x in call["yhat"]]
    grad = [-1.0 if j % k == y[j // k] else 0.0 for j in range(n * k)]
    say(json.dumps({"value": [str(-yhat[i * k + y[i]]) for i in range(n)], "gradient": grad}) + chr(10))
"""
    )
    result = check(program(code), NegativeLogLikelihood(reduction="none"))
    assert result.ok, result.message()
    assert result.holds == ("formula", "digits", "range")


# ---- the command line, a file of checks, pytest ----------------------------------------------------------------------


def test_no_shell_reads_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("echo.py").write_text(START + "ask(); say(json.dumps({'error': ' '.join(sys.argv[1:])}) + chr(10))", "utf-8")
    words = "; touch a $(touch b) `touch c` > d | cat && $HOME * 'e f'"
    with pytest.raises(SystemExit) as ended:
        main(["check", "--command", f"{sys.executable} echo.py {words}", "--loss", "Huber"])
    assert ended.value.code == 2
    assert f"it says: {words.replace(chr(39), '')[:50]}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["echo.py"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--command", "./nothing --fast"], "./nothing --fast cannot be started: No such file or directory"),
        (["--command", ""], "the command is empty"),
        (["--command", "a 'b"], '"a \'b" cannot be split into words: no closing quotation'),
        (["--command", "a", "--order", "target_first"], "--order is for functions of Python, not for --command"),
        (["--command", "a", "--grad", "a:b"], "--grad is for functions of Python, not for --command"),
    ],
)
def test_a_wrong_command_is_misuse(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments, "--loss", "Huber"])
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_a_command_in_a_file_of_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("squared.py").write_text(RIGHT, "utf-8")
    head = (
        "[[tool.reflosses.check]]\nloss = 'MeanSquaredError'\nregimes = 'moderate'\n"
        + "parameters = {reduction = 'none'}\n"
    )
    python = sys.executable

    def status(line: str) -> int:
        Path("pyproject.toml").write_text(head + line, "utf-8")
        try:
            return main(["check", "--format", "json"])
        except SystemExit as ended:
            return int(str(ended.code))

    assert status(f"command = ['{python}', 'squared.py']") == 0
    assert f'"name": "{python} squared.py"' in capsys.readouterr().out
    assert status(f"command = '{python} squared.py'") == 0
    for line, why in {
        "command = []": "key 'command': it is [], not a text or a list of texts",
        "command = ''": "key 'command': the command is empty",
        "command = 'a'\ntarget = 'a:b'": "keys 'target' and 'command' are there; a check has one of",
        "command = 'a'\norder = 'target_first'": "key 'order': it is for functions of Python, not for a command",
        "commnad = 'a'": "key 'commnad' is not known; did you mean command?",
    }.items():
        capsys.readouterr()
        assert status(line) == 2
        assert why in capsys.readouterr().err


# ---- the clients of the page; tests/installed/test_clients.py has those in JavaScript and Rust -----------------------


def test_the_page_shows_the_clients() -> None:
    page = (ROOT / "derivations" / "programs.md").read_text("utf-8")
    for kind, language in {"c": "c", "js": "javascript", "rs": "rust"}.items():
        source = client(kind)
        assert f"```{language}\n{source}```\n" in page
        assert len(source.splitlines()) <= 40
        assert CUT in source


def test_a_client_in_c_is_right_in_lines_and_in_bytes(tmp_path: Path) -> None:
    with closing(Program(built(tmp_path / "c", "c", real="float"))) as asked:
        result = check(asked, HUBER, dtype="float32", level="range")
        assert result.ok, result.message()
        assert result.holds == ("formula", "digits", "range")
        y, yhat = np.zeros(2000), np.resize([0.25, -3.0, 2.0**-140, np.inf, np.nan], 2000)
        large, small = asked.ask(y, yhat), asked.ask(y[:5], yhat[:5])
        for found, few in ((large.value, small.value), (large.grad, small.grad)):
            assert np.array_equal(found, np.resize(few, 2000), equal_nan=True)
        assert (small.value[0], small.grad[0]) == (0.03125, 0.25)  # ½ (¼)², ¼
        assert asked.ask(y[:0], yhat[:0])[:2][0].shape == (0,)
        with pytest.raises(CannotLoadError, match="cannot be started: it says: it has another dtype"):
            check(asked, HUBER)


def test_a_naive_cross_entropy_in_c_is_named_with_a_line_to_paste(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = shlex.join(built(tmp_path / "c", "c", client("c", NAIVE["c"])))
    loss = ["--loss", "BinaryCrossEntropyWithLogits", "reduction=none"]
    arguments = ["--level", "digits", "--regime", "moderate,A,B", "--format", "json"]
    assert main(["check", "--command", command, *arguments, *loss]) == 1
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["name"] == command
    assert result["diagnosis"].startswith("It takes the logarithms of σ(z) and 1 − σ(z), which are 0 far out")
    wrong = next(d for d in result["worst"] if (d["what"], d["verdict"]) == ("gradient", "spurious zero"))
    shown = subprocess.run(["sh", "-c", wrong["script"]], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[1].endswith('"gradient": ["0x0p+0"]}')


def test_a_program_that_fails_too_often_is_never_right(program) -> None:
    """It prints infinities as JSON has none: three such answers, and it is not asked any more."""
    code = """
import sys, json
for line in sys.stdin:
    asked = json.loads(line)
    if "reflosses" in asked:
        print('{"reflosses": 1}', flush=True)
        continue
    y, yhat = ([float(x) for x in asked[k]] for k in ("y", "yhat"))
    value = [(a - b) * (a - b) for a, b in zip(yhat, y)]
    print('{"value": [' + ", ".join(map(repr, value)) + "]}", flush=True)
"""
    loss = MeanSquaredError(reduction="none")
    result = check(Program([sys.executable, "-c", code], limit=10), loss)
    assert result.given_up
    assert not result.ok
    assert result.holds == ()
    assert result.summary().startswith("It could not be asked to the end: its process sent a line that is no JSON")
