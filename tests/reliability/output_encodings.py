"""Commands in every encoding that Python knows, with names of random letters: nothing fails.

python tests/reliability/output_encodings.py 200
"""

from __future__ import annotations

import codecs
import contextlib
import encodings
import io
import pkgutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from attack import Figures, main
from commands import call, train_model

LETTERS = "aσ→é日\udcff𝛼½\u0301 ж-✓"
OWN = """
def cost():
    import numpy as np, tinygrad_dnn as td
    {name} = td.Tensor(np.ones(2), requires_grad=True, name={name!r})
    return td.sigmoid({name}).sum()
"""


def text_encodings() -> list[str]:
    """Those that can encode text."""
    # idna is for names of hosts, and knows no handlers of errors.
    names = {m.name for m in pkgutil.iter_modules(encodings.__path__)} - {"undefined", "idna"}
    found = []
    for name in sorted(names):
        with contextlib.suppress(LookupError, ValueError, TypeError):
            if codecs.lookup(name)._is_text_encoding and "a".encode(name).decode(name) == "a":
                found.append(name)
    return found


def printed(encoding: str, words: list[str]) -> tuple[Any, str]:
    """The status and all that was printed."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        try:
            status: Any = call(*words)
        except SystemExit as left:
            status = left.code
        except Exception as error:
            status = repr(error)
    stream.flush()
    return status, stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def attack(n: int) -> Figures:
    """Run n commands."""
    rng = np.random.default_rng(n)
    counted, failures = Counter[str](), []
    known = text_encodings()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        with contextlib.redirect_stdout(io.StringIO()):
            train_model(Path())
        for k in range(n):
            name = "".join(LETTERS[i] for i in rng.integers(0, len(LETTERS), 6)).strip() + str(k)
            model, data, own = f"m{name}.h5", f"d{name}.h5", f"own{k}.py"
            Path(model).write_bytes(Path("model.h5").read_bytes())
            Path(data).write_bytes(Path("train.h5").read_bytes())
            Path(own).write_text(OWN.format(name=("σ", "W", "日")[k % 3]), encoding="utf-8")
            commands = [
                ["train", data, "--iterations", "1", "--layers", "48,1", "--no-pictures", "--eager",
                 "--out", f"r{name}"],
                ["predict", model, data],
                ["predict", f"none{name}"],
                ["check", model, "--examples", "3"],
                ["derive", f"{own}:cost"],
                ["draw", f"{own}:cost", "-o", f"g{name}.dot"],
                ["explore", f"{own}:cost", "-o", f"g{name}.html", "--title", f"t{name}"],
                ["compile", model, "-o", f"c{name}.py", "--examples", "3"],
                ["train", "--help"],
            ]  # fmt: skip
            words, encoding = commands[k % len(commands)], known[int(rng.integers(len(known)))]
            status, told = printed(encoding, words)
            sys.modules.pop(f"own{k}", None)
            counted["refused in words"] += status == 2
            expected = 2 if words[1].startswith("none") else 0
            if status != expected:
                failures.append(f"{encoding}: {words!a}: {status}: {told[-300:]!a}")
    return Figures(n, {"encodings": len(known), **counted}, failures)


if __name__ == "__main__":
    main(attack, 100)
