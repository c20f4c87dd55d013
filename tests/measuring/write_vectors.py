"""`make vectors` runs this program. It writes the certified vectors: reflosses/data/vectors/*.json.

    python tests/measuring/write_vectors.py            write the files, and the tables of derivations/vectors.md
    python tests/measuring/write_vectors.py --check    write nothing; exit status 1 if a file or a table is not current

The tests are those of the battery that find most: first greedily against wrong implementations (tests/planted.py,
tests/verdicts/wrong_numpy.py), so that each is found twice; then some of every block. Their results are proved.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields
from decimal import ROUND_UP, Context, Decimal
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # before measuring/, which has a verdicts.py

import numpy as np
from vector_catches import caught_mistakes
from vector_pool import FLAGS, GROUPS, Asked, flags, formats, pool
from vector_truth import results
from vector_words import PARAMETERS, REPORTS, comment, url
from verdicts.rows import table
from verdicts.witness import base_of

import reflosses
from reflosses.catalogue import losses, section, stem
from reflosses.comparison.battery import ORDINARY, REGIMES
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import Format
from reflosses.comparison.result import LEVELS
from reflosses.evaluation.loss import Loss
from reflosses.frameworks.function import brief
from reflosses.truth.arithmetic import CannotCertifyError

import planted

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "derivations" / "vectors.md"
CONSUMERS = {
    "consumer.c": "c",
    "consumer.cpp": "cpp",
    "consumer.rs": "rust",
    "consumer.js": "js",
    "Consumer.java": "java",
}
EXAMPLES = 3
FOLDER = Path(reflosses.__file__).parent / "data" / "vectors"
VERSION = 1  # of the vectors: a changed number or a removed test is a new version
GROSS = 0.05  # a relative error that no code path of a CPU makes or hides
TWICE = 2
GREEDY, CITED = 0.4, 0.75  # the parts of a group that greedy choice, and blocks with reports after it, may fill
SHARE = 3  # of so many tests one is ordinary, if there are so many

Wrong = Callable[[Any, Any, Any], tuple[Any, Any]]


# ---- which tests -----------------------------------------------------------------------------------------------------


def wrong_ones(loss: Loss, form: Format) -> list[tuple[float, Wrong]]:
    """Wrong implementations of a loss, each with the factor of the loss that it is held against."""
    found: list[tuple[float, Wrong]] = []
    for mistake in planted.mistakes():
        if mistake.right == loss:

            def ask(y: Any, yhat: Any, weight: Any, m: Any = mistake) -> tuple[Any, Any]:
                return m.value(y, yhat, weight=weight), m.grad(y, yhat, weight=weight)

            found.append((1.0, ask))
    for row in table("wrong", "numpy"):
        if base_of(row.loss) == loss and row.dtype == form.name:

            def answer(y: Any, yhat: Any, weight: Any, f: Any = row.function) -> tuple[Any, Any]:
                if weight is not None:
                    raise TypeError("it takes no weights")
                given = f(np.array(y), np.array(yhat))
                return given if isinstance(given, tuple) else (given, None)

            found.append((row.loss.factor if isinstance(row.loss, Scaled) else 1.0, answer))
    return found


def catches(asked: Asked, factor: float, wrong: Wrong) -> bool:
    """Whether an implementation is grossly wrong at a test; our own numbers are near enough to tell."""
    if asked.refuse or np.isnan(asked.yhat).any():
        return False
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        right = asked.loss.value_and_grad(asked.y, asked.yhat, weight=asked.weight)
        dtype = asked.form.name
        y = asked.y if np.asarray(asked.y).dtype.kind in "iu" else np.asarray(asked.y, dtype)
        try:
            got = wrong(y, np.asarray(asked.yhat, dtype), asked.weight)
        except Exception:
            return False
        for given, due in list(zip(got, right, strict=True))[: 1 if asked.clip else 2]:
            if given is None:
                continue
            a, b = np.asarray(given, float), factor * np.asarray(due)
            if a.shape != b.shape or not np.allclose(a, b, GROSS, 0.0, equal_nan=True):
                return True
    return False


def chosen(loss: Loss, form: Format, count: int) -> list[Asked]:
    """The tests of a group: those that find most, then some of every block."""
    first: dict[tuple[Any, ...], Asked] = {}
    for item in pool(loss, form):
        first.setdefault(_key(item), item)
    items = [*first.values()]
    need: dict[tuple[int, str], int] = {}
    finds: list[set[tuple[int, str]]] = []
    wrong = wrong_ones(loss, form)
    for item in items:
        found = {(k, item.level) for k, (factor, f) in enumerate(wrong) if catches(item, factor, f)}
        finds.append(found)
        need |= dict.fromkeys(found, TWICE)
    taken: list[int] = []

    def take(i: int) -> None:
        taken.append(i)
        for key in finds[i]:
            need[key] -= 1

    def gain(i: int) -> int:
        return sum(need[key] > 0 for key in finds[i]) if i not in taken else 0

    while items and gain(best := max(range(len(items)), key=gain)) and len(taken) < GREEDY * count:
        take(best)
    name = type(loss).__name__
    for most, orders in ((CITED * count, _spread(items, cited_by=name)), (count, _spread(items))):
        left = [[i for i in order if i not in taken] for order in orders]
        while any(left) and len(taken) < most:
            few = sum(items[i].regime in ORDINARY for i in taken) * SHARE < len(taken)  # ordinary ones
            take(left[bool(left[1]) and (few or not left[0])].pop(0))
    return [items[i] for i in sorted(taken)]


def _key(asked: Asked) -> tuple[Any, ...]:
    """What tells a test from another."""
    arrays = (asked.y, asked.yhat, np.zeros(0) if asked.weight is None else asked.weight)
    return asked.level, *((np.shape(a), np.asarray(a, float).tobytes()) for a in arrays)


def _spread(items: list[Asked], cited_by: str = "") -> tuple[list[int], list[int]]:
    """Hard and ordinary tests, each in an order that takes from every block in turn.

    cited_by: the name of a loss; only its blocks that find what was reported.
    """
    blocks: dict[tuple[Any, ...], list[int]] = {}
    for i, item in enumerate(items):
        if not cited_by or (not item.clip and (cited_by, item.name) in REPORTS):
            blocks.setdefault((item.regime, item.name, item.clip, np.ndim(item.y)), []).append(i)
    kinds: tuple[list[list[int]], list[list[int]]] = ([], [])
    for (regime, *_), members in blocks.items():
        kinds[regime in ORDINARY].append(list(dict.fromkeys([members[-1], members[0], *_apart(members)])))
    hard, ordinary = (
        [members[k] for k in range(max(map(len, kind), default=0)) for members in kind if k < len(members)]
        for kind in kinds
    )
    return hard, ordinary


def _apart(members: list[int]) -> list[int]:
    """The same numbers, those in the middle first, then those in the middle of each half, and so on."""
    if not members:
        return []
    middle = len(members) // 2
    left, right = _apart(members[:middle]), _apart(members[middle + 1 :])
    mixed = [m for pair in zip(left, right, strict=False) for m in pair]
    return [members[middle], *mixed, *left[len(right) :], *right[len(left) :]]


# ---- a file ----------------------------------------------------------------------------------------------------------


def decimals(a: Any) -> str:
    """Numbers as the shortest decimals that float64 reads back."""
    return " ".join(map(_decimal, np.ravel(a).tolist()))


def hexadecimal(a: Any) -> str:
    """Numbers as hexadecimal floats."""
    return " ".join(map(_hexadecimal, np.ravel(a).tolist()))


def _decimal(x: float) -> str:
    return repr(float(x)) if np.isfinite(x) else _not_finite(x)


def _hexadecimal(x: float) -> str:
    if not np.isfinite(x):
        return _not_finite(x)
    mantissa, _, exponent = float(x).hex().partition("p")
    return f"{mantissa.rstrip('0').removesuffix('.') if '.' in mantissa else mantissa}p{exponent}"


def _not_finite(x: float) -> str:
    return "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def rounded_up(a: Any) -> str:
    """Numbers ≥ 0 of two decimals that are not smaller."""
    up = Context(prec=2, rounding=ROUND_UP)
    digits = (up.plus(Decimal(x)) for x in np.ravel(a).tolist())
    return " ".join(str(float(d)) if 1e-4 < d < 1e4 else f"{d:.1e}" if d else "0.0" for d in digits)


def _in_ulps(form: Format, a: Any, allowed: Any) -> str:
    """The largest tolerance, in ulps of its number. Numbers that are 0 or not finite have none."""
    own = np.isfinite(a) & (np.asarray(a) != 0)
    with np.errstate(all="ignore"):
        ulps = np.where(own, allowed / form.spacing(np.where(own, a, 1.0)), 0.0)
    return rounded_up(min(ulps.max(initial=0.0), form.max))


def identity(stem_of_loss: str, group: dict[str, Any], test: dict[str, Any]) -> str:
    """The id of a test: the name of its file, and eight digits of the SHA-256 of all that makes its inputs."""
    keys = ("level", "y_shape", "yhat_shape", "weight_shape", "y", "yhat", "weight")
    inputs = [group["parameters"], group["reduction"], group["format"], *(test.get(key) for key in keys)]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"{stem_of_loss}-{digest[:8]}"


def written(asked: Asked, group: dict[str, Any]) -> dict[str, Any]:
    """One test as the file has it."""
    found = results(asked)
    name = type(asked.loss).__name__
    regime = REGIMES[asked.regime]
    out: dict[str, Any] = {
        "id": "",
        "level": asked.level,
        "flags": flags(asked, found),
        "regime": regime if asked.name == asked.regime else f"{regime}: {asked.name}",
        "comment": comment(asked.regime, asked.name, asked.clip),
    }
    if (name, asked.name) in REPORTS and not asked.clip:
        out["reports"] = [url(thread) for thread in REPORTS[name, asked.name]]
    arrays = {"y": asked.y, "yhat": asked.yhat, "weight": asked.weight}
    arrays |= {k: a for k, a in found.items() if not k.endswith("_tolerance")}
    for key in ("y", "yhat", "weight", "value"):
        if arrays.get(key) is not None:
            out[f"{key}_shape"] = list(np.shape(arrays[key]))
    for key, a in arrays.items():
        if a is None:
            continue
        out[key], out[f"{key}_hex"] = decimals(a), hexadecimal(a)
        if f"{key}_tolerance" in found:
            allowed = found[f"{key}_tolerance"]
            out[f"{key}_tolerance"], out[f"{key}_ulps"] = rounded_up(allowed), _in_ulps(asked.form, a, allowed)
    out["id"] = identity(stem(type(asked.loss)), group, out)
    return out


def groups_of(name: str) -> Iterator[dict[str, Any]]:
    """The groups of a loss, with their tests."""
    for loss, *counts in GROUPS[name]:
        parameters = {f.name: _plain(getattr(loss, f.name)) for f in fields(loss) if f.name != "reduction"}
        for form, count in formats((counts[0], counts[1])):
            group = {"parameters": parameters, "reduction": loss.reduction, "format": form.name}
            yield {**group, "tests": [test for asked in chosen(loss, form, count) for test in _provable(asked, group)]}


def _provable(asked: Asked, group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        yield written(asked, group)
    except CannotCertifyError:
        return


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value


def header(name: str) -> dict[str, Any]:
    """What a person, or a program, must know before the tests."""
    cls = losses()[name]
    return {
        "schema": "schema.json",
        "version": VERSION,
        "loss": name,
        "formula": section(cls, "Formula").removeprefix("Formula").lstrip(",: "),
        "shapes": section(cls, "Shapes").partition("Limits:")[0].removeprefix("Shapes: "),
        "domain": section(cls, "Domain").removeprefix("Domain: "),
        "kinks": section(cls, "Kinks").partition("Source:")[0].removeprefix("Kinks: "),
        "parameters": {f.name: PARAMETERS[f.name] for f in fields(cls) if f.name != "reduction"},
        "reductions": {
            "none": "one value for each loss",
            "sum": "Σ wℓ over all losses ℓ with weights w (1 without)",
            "mean": "Σ wℓ / N; N counts the losses that are not ignored, also those of weight 0",
            "weighted_mean": "Σ wℓ / Σ w; with class weights, w includes the class weight of the target",
        },
        "gradient": 'of the value with respect to yhat, shaped like yhat; under "none" that of the sum of the values. '
        "At a kink, the one-sided derivative nearer to 0, and 0 between two signs",
        "curvature": "the derivative of each entry of the gradient with respect to the same entry of yhat",
        "results": "correctly rounded once from the exact result, which is proved from the formula in ball arithmetic",
        "tolerances": "four times the error bound of reflosses' own loss, in ulps of the format, plus the rounding "
        "errors of differences, sums and parameters that nobody avoids; half of the digits for ordinary inputs",
        "right": "got == value, or both are NaN, or low - tolerance <= got <= high + tolerance; low and high are "
        "gradient_low and gradient_high at a kink, the value or the gradient itself elsewhere",
        "levels": {
            "formula": "is it the loss?",
            "digits": "does it keep its digits?",
            "range": "does it hold to the ends of the range?",
            "domain": "does it refuse what is outside?",
        },
        "flags": FLAGS,
        "license": "MIT",
        "generator": {"reflosses": reflosses.__version__, "python-flint": metadata.version("python-flint")},
    }


@cache
def content(name: str) -> dict[str, Any]:
    """The whole file of a loss."""
    groups = [group for group in groups_of(name) if group["tests"]]
    return header(name) | {"number_of_tests": sum(len(g["tests"]) for g in groups), "groups": groups}


def text_of(file: dict[str, Any]) -> str:
    """JSON with one field of the header, one group, or one test a line."""
    lines = [f"{_json(k)}: {_json(v)}," for k, v in file.items() if k != "groups"]
    lines.append('"groups": [')
    for k, group in enumerate(file["groups"]):
        head = ", ".join(f"{_json(key)}: {_json(group[key])}" for key in ("parameters", "reduction", "format"))
        lines += [f'{{{head}, "tests": [', *(f"{_json(t)}," for t in group["tests"][:-1]), _json(group["tests"][-1])]
        lines.append("]}," if k + 1 < len(file["groups"]) else "]}")
    return "\n".join(["{", *lines, "]", "}"]) + "\n"


def _json(x: Any) -> str:
    return json.dumps(x, ensure_ascii=False, allow_nan=False)


def manifest(texts: dict[str, str]) -> str:
    """The names of the files, with their SHA-256 and their numbers of tests."""
    files = {
        name: {
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "bytes": len(text.encode()),
            "tests": json.loads(text).get("number_of_tests", 0),
        }
        for name, text in sorted(texts.items())
    }
    return json.dumps({"version": VERSION, "files": files}, indent=1) + "\n"


def without_generator(text: str) -> str:
    """A file without the versions of the programs that wrote it."""
    return "\n".join(line for line in text.splitlines() if not line.startswith('"generator"'))


# ---- the page --------------------------------------------------------------------------------------------------------


def page(text: str) -> str:
    """The page of the vectors, with its tables, example and programs made anew from the files."""
    made = {
        "example": example(),
        "flags": markdown(["flag", "meaning"], [[f"`{k}`", v] for k, v in FLAGS.items()]),
        "files": table_of_files(),
        "mistakes": table_of_mistakes(),
        "reports": table_of_reports(),
        "consumers": programs(),
    }
    for name, part in made.items():
        start, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{part}\n{end}{rest.partition(end)[2]}"
    return text


def read(name: str) -> dict[str, Any]:
    """The file of a loss."""
    found: dict[str, Any] = json.loads((FOLDER / f"{stem(losses()[name])}.json").read_text("utf-8"))
    return found


def tests_in(file: dict[str, Any]) -> list[dict[str, Any]]:
    """All tests of a file."""
    return [test for group in file["groups"] for test in group["tests"]]


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, [":--"] * len(head), *rows])


def example() -> str:
    """One test, a field a line."""
    test = next(t for t in tests_in(read("Huber")) if t["regime"].startswith("huge") and t["level"] == "range")
    return "\n".join(["```json", "{", ",\n".join(f"  {_json(k)}: {_json(v)}" for k, v in test.items()), "}", "```"])


def table_of_files() -> str:
    """How many tests each file has, by level."""
    rows = []
    for name in losses():
        tests = tests_in(read(name))
        counts = [str(sum(t["level"] == level for t in tests)) for level in LEVELS]
        rows.append([name, f"`{stem(losses()[name])}.json`", str(len(tests)), *counts])
    return markdown(["loss", "file", "tests", *LEVELS], rows)


def table_of_mistakes() -> str:
    """The planted mistakes, and the tests that find them."""
    found, rows = caught_mistakes(), []
    for mistake in planted.mistakes():
        name = type(mistake).__name__
        tests = found[name]
        shown = ", ".join(f"`{c.vector.id}`" for c in tests[:EXAMPLES])
        rows.append([name, brief(mistake.right), tests[0].level if tests else "none", str(len(tests)), shown])
    return markdown(["mistake", "instead of", "level", "tests", "for example"], rows)


def table_of_reports() -> str:
    """The reports, and the tests that cite them."""
    citing: dict[str, list[str]] = {}
    for name in losses():
        for test in tests_in(read(name)):
            for report in test.get("reports", ()):
                citing.setdefault(report, []).append(f"`{test['id']}`")
    names = {url(thread): thread for threads in REPORTS.values() for thread in threads}
    rows = [[f"[{names[u]}]({u})", str(len(ids)), ", ".join(ids[:EXAMPLES])] for u, ids in sorted(citing.items())]
    return markdown(["report", "tests", "for example"], rows)


def programs() -> str:
    """The programs that read the files, in five languages."""
    parts = []
    for path, language in CONSUMERS.items():
        text = (ROOT / "tests" / "consumers" / path).read_text("utf-8")
        parts.append(f"`tests/consumers/{path}`:\n\n```{language}\n{text}```")
    return "\n\n".join(parts)


def main() -> int:
    """Write all, or compare all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("losses", nargs="*", help="names of losses; default: all")
    given = parser.parse_args()
    stale = []
    for name in given.losses or losses():
        path, text = FOLDER / f"{stem(losses()[name])}.json", text_of(content(name))
        old = path.read_text("utf-8") if path.exists() else ""
        if without_generator(text) != without_generator(old):
            stale.append(path.name)
            if not given.check:
                path.write_text(text, "utf-8")
    texts = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json") if path.name != "manifest.json"}
    listed = FOLDER / "manifest.json"
    if manifest(texts) != (listed.read_text("utf-8") if listed.exists() else ""):
        stale.append(listed.name)
        if not given.check:
            listed.write_text(manifest(texts), "utf-8")
    old = PAGE.read_text("utf-8")
    if page(old) != old:
        stale.append(PAGE.name)
        if not given.check:
            PAGE.write_text(page(old), "utf-8")
    print(f"{'not current' if given.check else 'written'}: {', '.join(stale) or 'nothing'}")
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
