"""A candidate in a process of its own: whatever it does, it is reported and we go on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from reflosses.comparison import candidate
from reflosses.comparison.candidate import Answer
from reflosses.frameworks import isolation
from reflosses.frameworks.isolation import Isolated, Source, Worker
from reflosses.frameworks.processes import CannotLoadError, status_in_words

CANDIDATES = """
import os, signal, sys, time
import numpy as np

ANSWER = 42

def squared(y, yhat):
    return (yhat - y) ** 2, 2 * (yhat - y)

def weighted(y, yhat, weight=None):
    return (yhat - y) ** 2 * (1 if weight is None else weight)

class Losses:
    @staticmethod
    def value(y, yhat):
        return (yhat - y) ** 2

    @staticmethod
    def slope(y, yhat):
        return 2 * (yhat - y)

def crashes_below_zero(y, yhat):
    if (yhat < 0).any():
        os.kill(os.getpid(), signal.SIGSEGV)
    return squared(y, yhat)

def leaves(y, yhat):
    os._exit(3)

def hangs_below_zero(y, yhat):
    while (yhat < 0).any():
        pass
    return squared(y, yhat)

def prints(y, yhat):
    print("said on stdout" * 100_000, flush=True)
    os.write(1, b"said on descriptor 1")
    print("said on stderr", file=sys.stderr, flush=True)
    return squared(y, yhat)

def reads(y, yhat):
    assert sys.stdin.read() == ""
    return squared(y, yhat)

def raises(y, yhat):
    raise ValueError("first line\\nsecond line")

def process(y, yhat):
    return np.float64(os.getpid())

def no_interrupt(y, yhat):
    signal.raise_signal(signal.SIGINT)
    return squared(y, yhat)

def scribbles(y, yhat):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"one answer of more than forty bytes, but not ours")
        except OSError:
            pass
    return squared(y, yhat)

def scribbles_little(y, yhat):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"half")
        except OSError:
            pass
    while True:
        pass

def closes(y, yhat):
    os.closerange(3, 64)
    while True:
        pass

def stops(y, yhat):
    os.kill(os.getpid(), signal.SIGSTOP)

def forks(y, yhat):
    os.fork()
    return squared(y, yhat)

def has_a_child(y, yhat):
    import subprocess
    return float(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]).pid)

def takes_memory(y, yhat):
    return np.zeros(int(yhat) * 2**27)  # GiB

def prediction_first(input, target):
    input -= target
    return 2 * input, np.full(2, 2.0)

class Squared:
    def __call__(self, y, yhat):
        return squared(y, yhat)
    def method(self, y, yhat):
        return squared(y, yhat)

class Power:
    def __init__(self, exponent):
        self.exponent = exponent
    def __call__(self, y, yhat):
        return abs(yhat - y) ** self.exponent

power = Power(2)
"""
MODULE = "candidates_of_the_isolation_tests"
Y, YHAT = np.array([0.5, 3.0]), np.array([0.25, 7.0])
BELOW = np.array([0.25, -7.0])
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, forks and descriptors of POSIX")
SEGV = "exited with status 11" if sys.platform == "win32" else "killed by signal SIGSEGV"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One process for many tests; the candidates are where this process finds modules."""
    folder = tmp_path_factory.mktemp("candidates")
    (folder / f"{MODULE}.py").write_text(CANDIDATES, "utf-8")
    with pytest.MonkeyPatch.context() as patch, closing(Worker()) as shared:
        patch.syspath_prepend(str(folder))
        yield shared


Make = Callable[..., Isolated]


@pytest.fixture
def isolated(worker: Worker) -> Make:
    def make(function: str, dtype: str = "float64", *, limit: float = 30.0, patience: int = 3, **more: str) -> Isolated:
        made = Isolated(Source(f"{MODULE}:{function}", **more), dtype, limit=limit, worker=worker)
        made.patience = patience
        return made

    return make


def is_right(answer: candidate.Answer, grad: bool = True) -> bool:
    right = answer.value is not None and answer.value.tolist() == [0.0625, 16.0] and not answer.error  # ¼², 4²
    return right and (answer.grad.tolist() if answer.grad is not None else None) == ([-0.5, 8.0] if grad else None)


# ---- answers ---------------------------------------------------------------------------------------------------------


def test_value_and_gradient_come_back_as_float64(isolated: Make) -> None:
    asked = isolated("squared", "float32")
    answer = asked.ask(Y, YHAT)
    assert is_right(answer)
    assert answer.value.dtype == answer.grad.dtype == np.float64
    assert (asked.takes_weight, asked.differentiates, asked.subnormals) == (False, False, True)
    assert repr(asked) == f"{MODULE}:squared"


def test_the_numbers_have_the_format_that_was_asked_for(isolated: Make) -> None:
    tenth = np.array([0.1])
    half = isolated("Losses.value", "float16").ask(np.zeros(1), tenth).value
    assert half == np.float16(0.1) ** 2 != isolated("Losses.value").ask(np.zeros(1), tenth).value


def test_weights_are_handed_over(isolated: Make) -> None:
    asked = isolated("weighted")
    assert asked.takes_weight
    assert asked.ask(Y, YHAT, np.array([16.0, 0.25])).value.tolist() == [1.0, 4.0]


def test_the_gradient_may_be_a_function_of_its_own(isolated: Make) -> None:
    assert is_right(isolated("Losses.value", grad=f"{MODULE}:Losses.slope").ask(Y, YHAT))
    assert is_right(isolated("Losses.value").ask(Y, YHAT), grad=False)


def test_a_function_of_a_framework(worker: Worker) -> None:
    source = Source("scipy.special.huber", {"delta": 0.75})
    answer = Isolated(source, worker=worker).ask(np.zeros(2), np.array([0.5, 3.0]))
    assert answer.value.tolist() == [0.125, 1.96875]  # ½ (½)², ¾ (3 − ⅜)
    with pytest.raises(CannotLoadError, match=r"no\.such_function cannot be loaded: KeyError"):
        Isolated(Source("no.such_function", {}), worker=worker)


def test_large_arrays(isolated: Make) -> None:
    yhat = np.arange(1_000_000.0)
    answer = isolated("squared").ask(np.zeros_like(yhat), yhat)
    assert not answer.error
    assert (answer.value == yhat**2).all()
    assert (answer.grad == 2 * yhat).all()


def test_an_exception_is_an_answer_and_no_reason_to_give_up(isolated: Make) -> None:
    asked = isolated("raises", patience=1)
    line = CANDIDATES.splitlines().index("def raises(y, yhat):") + 2
    for _ in range(3):
        answer = asked.ask(Y, YHAT)
        assert answer.error == "ValueError: first line"
        assert answer.where.endswith(f"{MODULE}.py:{line}, in raises")
    assert not asked.given_up


def test_everything_that_an_answer_says_comes_back(isolated: Make) -> None:
    asked = isolated("prediction_first", returns="objective")
    answer = asked.ask(Y, YHAT)
    assert (answer.value, answer.grad.tolist(), answer.curvature.tolist()) == (None, [-0.5, 8.0], [2.0, 2.0])
    assert answer.changed == "yhat"
    assert answer.note.startswith("it takes the prediction first, as its parameter names say")
    assert isolated("prediction_first", order="target_first").ask(Y, YHAT).value.tolist() == [0.5, -8.0]
    valued = isolated("Losses.value")
    valued.ask(Y, YHAT)
    assert valued.why_no_gradient.startswith("NumPy has no autodiff")


def test_one_process_serves_one_candidate_after_the_other(isolated: Make) -> None:
    first, second, third = isolated("process"), isolated("squared"), isolated("process")
    assert is_right(second.ask(Y, YHAT))
    assert first.ask(Y, YHAT).value == third.ask(Y, YHAT).value != os.getpid()


# ---- frameworks ------------------------------------------------------------------------------------------------------

# As much of PyTorch as is called: tensors that know their derivative.
TORCH = """
from types import SimpleNamespace
import numpy as np

float64 = np.float64

class Tensor:
    def __init__(self, a, slope=None): self.a, self.slope, self.requires_grad = np.asarray(a), slope, slope is not None
    dtype = property(lambda self: self.a.dtype)
    def requires_grad_(self): return self
    def to(self, dtype): return Tensor(self.a.astype(dtype), self.slope)
    def detach(self): return self
    def cpu(self): return self
    def clone(self): return self
    def numpy(self): return self.a
    def __mul__(self, other): return Tensor(self.a * other.a)

tensor = Tensor
autograd = SimpleNamespace(grad=lambda value, x, seed, allow_unused: (Tensor(seed.a * value.slope),))
def ones_like(x): return Tensor(np.ones_like(x.a))
"""
TENSORS = """
import os, torch
def squared(y, yhat):
    if (yhat.a < 0).any():
        os._exit(3)
    return torch.Tensor((yhat.a - y.a) ** 2, 2 * (yhat.a - y.a))
"""


def test_tensors_are_differentiated_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text(TORCH, "utf-8")
    (tmp_path / "tensors.py").write_text(TENSORS, "utf-8")
    monkeypatch.chdir(tmp_path)  # where modules are found, as with `python -m`
    with closing(Worker()) as own:
        asked = Isolated(Source("tensors:squared"), worker=own)
        assert not asked.differentiates  # its framework is not known yet
        assert is_right(asked.ask(Y, YHAT))
        assert asked.differentiates
        assert asked.ask(Y, YHAT, upstream=np.array([2.0, -0.5])).grad.tolist() == [-1.0, -4.0]
        assert "ProcessDied" in asked.ask(Y, BELOW).error
        assert asked._source.framework == "torch"  # the next process knows from the start
        assert is_right(asked.ask(Y, YHAT))


def test_a_framework_that_is_not_installed(isolated: Make) -> None:
    with pytest.raises(CannotLoadError, match="No module named 'tensorflow'"):
        isolated("squared", framework="tensorflow")


# ---- crashes and hangs -----------------------------------------------------------------------------------------------


def test_a_crash_is_an_answer_and_the_next_call_is_asked(isolated: Make) -> None:
    asked = isolated("crashes_below_zero")
    assert asked.ask(Y, BELOW) == Answer(error=f"ProcessDied: {SEGV}")
    assert is_right(asked.ask(Y, YHAT))
    assert not asked.given_up


def test_a_hang_costs_one_limit(isolated: Make) -> None:
    asked = isolated("hangs_below_zero", limit=0.25)
    start = time.perf_counter()
    assert asked.ask(Y, BELOW).error == "TimeoutError: no answer within 0.25 s"
    assert asked.given_up
    assert asked.ask(Y, BELOW).error == "GivenUp: not called any more, after a crash or a timeout"
    assert 0.2 < time.perf_counter() - start < 5
    assert is_right(isolated("squared").ask(Y, YHAT))  # and no late answer is taken for this one


def test_it_is_given_up_at_last(isolated: Make) -> None:
    asked = isolated("leaves", patience=2)
    for _ in range(2):
        assert not asked.given_up
        assert asked.ask(Y, YHAT).error == "ProcessDied: exited with status 3"
    assert asked.given_up
    assert asked.ask(Y, YHAT).error == "GivenUp: not called any more, after 2 crashes or timeouts"
    assert asked._worker._process is None  # not even started
    assert is_right(isolated("squared").ask(Y, YHAT))  # others are not


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (0xC0000005, "exited with status 0xc0000005"),
        (-int(signal.SIGTERM), "killed by signal SIGTERM"),
        (-999, "killed by signal 999"),
    ],
)
def test_an_exit_status_in_words(status: int, words: str) -> None:
    assert status_in_words(status) == words


@posix
@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("scribbles", "ProcessDied: sent bytes that are no answer"),
        ("scribbles_little", "TimeoutError: no answer within 0.25 s"),
        ("closes", "ProcessDied: closed its connection"),
        ("stops", "TimeoutError: no answer within 0.25 s"),
    ],
)
def test_the_time_limit_holds_whatever_it_does(isolated: Make, function: str, error: str) -> None:
    asked = isolated(function, limit=0.25)
    start = time.perf_counter()
    assert asked.ask(Y, YHAT).error == error
    assert time.perf_counter() - start < 5


@posix
def test_a_copy_of_the_process_does_not_answer(isolated: Make) -> None:
    forks, squared = isolated("forks"), isolated("squared")
    for _ in range(5):
        assert is_right(forks.ask(Y, YHAT))
        assert squared.ask(Y, BELOW).grad.tolist() == [-0.5, -20.0]


def test_an_answer_to_an_old_question_is_none_to_a_new_one(isolated: Make, worker: Worker) -> None:
    asked = isolated("squared")
    worker._channel.send(worker._number, (Y, BELOW, None, None))  # its answer waits, with an old number
    assert is_right(asked.ask(Y, YHAT))


@posix
def test_the_processes_that_it_starts_end_with_it() -> None:
    with closing(Worker()) as own:
        pid = int(Isolated(Source(f"{MODULE}:has_a_child"), worker=own).ask(Y, YHAT).value)
        assert lives(pid)
    for _ in range(100):
        if not lives(pid):
            return
        time.sleep(0.05)
    pytest.fail("it lives on")


def lives(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the data of a process")
def test_the_memory_has_a_limit() -> None:
    with closing(Worker(memory=1.0)) as own:
        asked = Isolated(Source(f"{MODULE}:takes_memory"), worker=own)
        assert asked.ask(Y, 3).error.startswith("MemoryError: Unable to allocate 3.00 GiB")
        assert asked.ask(Y, 0).error == ""


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ("ProcessDied: killed by signal SIGSEGV", "its process was killed by signal SIGSEGV"),
        ("ProcessDied: exited with status 0", "its process exited with status 0"),
        ("TimeoutError: no answer within 2 s", "it gives no answer within 2 s"),
        ("GivenUp: not called any more, after a crash", "it is not called any more, after a crash"),
        ("TimeoutError: of its own", "it raises TimeoutError: of its own"),
    ],
)
def test_an_error_as_a_clause(error: str, fault: str) -> None:
    assert Answer(error=error).fault == fault


# ---- loading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Squared", "Squared.method", "Squared.__call__", "power"])
def test_classes_methods_and_instances(isolated: Make, name: str) -> None:
    answer = isolated(name).ask(Y, YHAT)
    assert is_right(answer, grad=name != "power")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module:loss", "no_such_module:loss cannot be loaded: ModuleNotFoundError: No module named"),
        (f"{MODULE}:nothing", "AttributeError: module '.*' has no attribute 'nothing'"),
        (f"{MODULE}:sqared", "AttributeError: .* has no attribute 'sqared'; did you mean 'squared'"),
        (f"{MODULE}:ANSWER", "TypeError: .*:ANSWER is of type int, and cannot be called"),
    ],
)
def test_what_cannot_be_loaded(worker: Worker, path: str, message: str) -> None:
    with pytest.raises(CannotLoadError, match=message):
        Isolated(Source(path), worker=worker)


def test_a_module_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    with closing(Worker()) as own:
        for name, body, message in (
            ("unfinished", "def f(:", r"SyntaxError: .*unfinished\.py, line 1"),
            ("leaving", "raise SystemExit(5)", "SystemExit: 5"),
            (
                "failing",
                "import os\nos.environ['none such']",
                r"KeyError: 'none such' \(.*failing\.py:2, in <module>\)",
            ),
            ("ending", "import os; os._exit(6)", "ProcessDied: exited with status 6"),
            ("hanging", "while True: pass", "TimeoutError: no answer within 2 s"),
        ):
            (tmp_path / f"{name}.py").write_text(body, "utf-8")
            with pytest.raises(CannotLoadError, match=f"{name}:f cannot be loaded: .*{message}"):
                Isolated(Source(f"{name}:f"), worker=own, loading=2.0)


@pytest.mark.parametrize(
    "path", ["", "module", ":function", "module:", "module.py:f:g", "a module:function", "m:a.", "m.py"]
)
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(ValueError, match="is not of the form package"):
        Source(path)
    with pytest.raises(ValueError, match="is not of the form package"):
        Source("module:function", grad=path)


# ---- what it prints, and interrupts ----------------------------------------------------------------------------------


def test_what_a_candidate_prints_and_reads_is_none_of_our_business(
    isolated: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    assert is_right(isolated("prints").ask(Y, YHAT))
    assert is_right(isolated("reads").ask(Y, YHAT))
    assert capfd.readouterr() == ("", "")


def test_a_process_of_its_own_ends_with_the_block(worker: Worker) -> None:
    with closing(Worker()) as own:
        asked = Isolated(Source(f"{MODULE}:process"), worker=own)
        process = own._process
        assert process is not None
        assert asked.ask(Y, YHAT).value == process.pid
    assert process.poll() is not None


def test_an_interrupt_is_for_us_alone(isolated: Make) -> None:
    assert is_right(isolated("no_interrupt").ask(Y, YHAT))


def test_an_interrupted_question_is_not_answered_later(
    isolated: Make, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    asked = isolated("squared")
    monkeypatch.setattr(worker._channel, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        asked.ask(Y, BELOW)
    assert is_right(asked.ask(Y, YHAT))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of process groups")
def test_ctrl_c_ends_both_without_a_traceback(tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches every process of the group; __main__ has no guard and is not run again."""
    os.mkfifo(tmp_path / "pid")
    (tmp_path / "hanging.py").write_text(
        "import os, pathlib\n"
        "def loss(y, yhat):\n    pathlib.Path('pid').write_text(str(os.getpid()))\n    while True: pass\n",
        "utf-8",
    )
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(isolation.__file__).parents[2])!r})
        from contextlib import closing
        from reflosses.frameworks.isolation import Isolated, Source, Worker
        print("main", flush=True)
        try:
            with closing(Worker()) as worker:
                Isolated(Source("hanging:loss"), worker=worker).ask(1.0, 2.0)
        except KeyboardInterrupt:
            print("interrupted")
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(script), "utf-8")
    ours = subprocess.Popen(
        [sys.executable, "main.py"], cwd=tmp_path, stdout=-1, stderr=-1, text=True, start_new_session=True
    )
    pid = int((tmp_path / "pid").read_text())
    os.killpg(ours.pid, signal.SIGINT)
    out, err = ours.communicate(timeout=10)
    assert out.split() == ["main", "interrupted"]
    assert err == ""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
