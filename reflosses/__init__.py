"""reflosses: reference loss functions with hand-derived, certified gradients.

`__init__.pyi` lists the public names, with one import for each. Such an import runs when its name is first used.
"""

import pkgutil
import re
from importlib import import_module

__version__ = "0.2.0"

_LINES = (pkgutil.get_data(__name__, "__init__.pyi") or b"").decode()
_HOMES = {name: home for home, name in re.findall(r"^from (\S+) import \(?\s*(\w+) as", _LINES, re.M)}
__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    """Import a public name at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    found = import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    return globals().setdefault(name, found)


def __dir__() -> list[str]:
    """Every public name, imported or not."""
    return sorted({*globals(), *_HOMES})
