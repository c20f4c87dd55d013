"""Draw the error of mapped functions at every number of a format into derivations/portraits/: `make portraits`.

`portraits.py NAME …` draws some functions. `portraits.py readme` draws the figure of the README, BCE with logits in
bfloat16 of PyTorch, JAX, Keras and ours: `make portrait`. `portraits.py readme float32` takes more than half an hour.
"""

import re
import sys
import time
from contextlib import closing
from pathlib import Path

from needed import is_elsewhere

import reflosses
from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.one_prediction import ends, one_predictions
from reflosses.evaluation.stack import one_loss_a_call
from reflosses.frameworks.function import find, frameworks, literal
from reflosses.frameworks.isolation import Isolated, Source, Worker

FOLDER = Path(__file__).parents[2] / "derivations" / "portraits"
README = "bce_with_logits.bfloat16.svg"
MINUTE = 60.0  # the most seconds of a portrait in float32
A_NUMBER = 50e-9  # seconds: half of them judge, and half are the function and the way to its process
MOST_BYTES, MOST_OF_ALL = 60_000, 4_000_000  # of a file, and of all


def dtype_of_portrait(function, given):
    """The widest format all of whose numbers can be asked, or the reason why there is none."""
    loss = parts(function.loss(given))[1]
    if loss.reduction != "none" or one_loss_a_call(loss):
        return "", "it takes a call for each number"
    if "float32" in function.dtypes:
        form = FORMATS["float32"]
        low, high = ends(loss, form)
        numbers = (high - low) * sum(max(1, one.yhat.size) for one in one_predictions(loss, form))
        if numbers * A_NUMBER < MINUTE:
            return "float32", ""
    narrow = next((dtype for dtype in ("bfloat16", "float16") if dtype in function.dtypes), "")
    return narrow, "" if narrow else "float32 takes more than a minute, and it takes no narrower dtype"


def file_of(function, dtype):
    """The name of its file."""
    return f"{re.sub(r'[^A-Za-z0-9._]+', '_', function.name)}.{dtype}.svg"


def portrait_of(function, given, dtype, worker, out=None):
    """The portrait of one function with these parameters."""
    shown = ", ".join(f"{k}={literal(v)}" for k, v in given.items() if k != "reduction")
    name = f"{function.name}({shown})" if shown else function.name
    candidate = Isolated(Source(function.name, dict(given)), dtype, worker=worker, limit=MINUTE)
    options = {"inputs": function.inputs, "targets": function.targets}
    return reflosses.portrait({name: candidate}, function.loss(given), dtype=dtype, out=out, **options)


def portraits(folder=FOLDER, functions=None, tick=lambda name: None):
    """Draw the portrait of each function of this environment, or of those that are named.

    Without names, files of functions that there are no more are deleted.
    Returns the files by the names of the functions, and for every other function the reason why it has none.
    """
    folder.mkdir(exist_ok=True)
    drawn, skipped, kept = {}, {}, {README}
    for framework in frameworks():
        if is_elsewhere(framework.package):
            kept |= {file_of(f, dtype_of_portrait(f, f.tried[0])[0]) for f in framework.functions}
            continue
        with closing(Worker()) as worker:
            for function in framework.functions:
                if functions is not None and function.name not in functions:
                    continue
                tick(function.name)
                given = function.tried[0]
                dtype, why = dtype_of_portrait(function, given)
                if why:
                    skipped[function.name] = why
                    continue
                out = folder / file_of(function, dtype)
                whole = portrait_of(function, given, dtype, worker, out)
                if not whole.censuses[0].targets:
                    skipped[function.name] = "; ".join(whole.censuses[0].notes)
                    out.unlink()
                    continue
                drawn[function.name] = out
    kept |= {path.name for path in drawn.values()}
    for path in folder.glob("*.svg") if functions is None else ():
        if path.name not in kept:
            path.unlink()
    return drawn, skipped


def readme(out=FOLDER / README, dtype="bfloat16"):
    """The figure of the README."""
    loss = reflosses.BinaryCrossEntropyWithLogits(reduction="none")

    def ours(y, z):
        return tuple(a.astype(z.dtype) for a in loss.value_and_grad(y, z))

    candidates = {}
    for shown, name, given in (
        ("PyTorch", "torch.binary_cross_entropy_with_logits", {"reduction": "none"}),
        ("JAX (Optax)", "optax.sigmoid_binary_cross_entropy", {}),
        ("Keras (on JAX)", "keras.losses.binary_crossentropy", {"from_logits": True}),
    ):
        framework, function = find(name)
        candidates[shown] = framework.candidate(function, given, FORMATS[dtype])
    title = f"Binary cross-entropy with logits, {dtype}: error in ulp at every number"
    out.parent.mkdir(exist_ok=True)
    return reflosses.portrait(
        {**candidates, "reflosses": ours}, loss, dtype=dtype, y=[0.0, 1.0], out=out, title=title, tick=_tick
    )


def _tick(name, done=0, total=0):
    if sys.stderr.isatty():
        print(f"\r{name:60.60} {100 * done // max(total, 1):3} %", end="", file=sys.stderr)


def main(words):
    start = time.perf_counter()
    if words[:1] == ["readme"]:
        dtype = words[1] if words[1:] else "bfloat16"
        out = FOLDER / README.replace("bfloat16", dtype)
        readme(out, dtype)
        sizes = {out.name: out.stat().st_size}
    else:
        drawn, skipped = portraits(functions=words or None, tick=_tick)
        sizes = {path.name: path.stat().st_size for path in drawn.values()}
        for name, why in skipped.items():
            print(f"no portrait of {name}: {why}", file=sys.stderr)
    many = f"{len(sizes)} portraits of {sum(sizes.values()):,} bytes, at most {max(sizes.values(), default=0):,}"
    print(f"{many}, in {time.perf_counter() - start:.0f} s: {FOLDER}", file=sys.stderr)
    if max(sizes.values(), default=0) > MOST_BYTES or sum(sizes.values()) > MOST_OF_ALL:
        sys.exit("too large")


if __name__ == "__main__":
    main(sys.argv[1:])
