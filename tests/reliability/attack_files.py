"""Attack files against the grader: each must end as a verdict in its time, and run nothing in it.

    python tests/reliability/attack_files.py 400    # so many files of its own making
    python tests/reliability/attack_files.py 1 --first 37 --show    # one of them again

A file is honest functions and an attack: on the pipe to the grader (garbage, forged and mutated
frames, pickles), on its process (signals, forks, memory, loops, closed descriptors), on Python
(patched modules), or on the report (escapes, endless texts, values of every kind). What is asked:

- `grade` returns, in time, a report that is JSON and that a terminal can show;
- a pickle or an object that was sent has run nothing in the grader (a canary tells by process);
- the honest functions are right, unless the attack took Python itself apart;
- no process of the file is left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tinygrad_dnn.grading import Grades, grade

sys.path.insert(0, str(Path(__file__).parents[1]))
from process_end import ends
from students import FEW

LIMIT = 0.5
AT_ONCE = 4
LONGEST = 60.0  # seconds a file may take on a busy machine; most take less than one
LONGEST_REPORT = 100_000
NAMES = ("linear_forward", "relu", "relu_backward")
TOOLS = """\
def _started():
    import os
    open({canary!r} + '.started', 'a').write(str(os.getpid()) + chr(10))


_started()


def _descriptors():
    import os
    found = []
    for n in range(3, 300):
        try:
            os.fstat(n)
            found.append(n)
        except OSError:
            pass
    return found


def _everywhere(data):
    import os
    for n in _descriptors():
        try:
            os.set_blocking(n, False)
            os.write(n, data)
        except OSError:
            pass


class _Run:
    def __reduce__(self):
        code = "import os; open({canary!r}, 'a').write(str(os.getpid()) + chr(10))"
        return exec, (code,)

    def __array__(self, *_, **__):
        exec(self.__reduce__()[1][0])
        raise ValueError

    __str__ = __repr__ = __eq__ = __len__ = __iter__ = __float__ = __array__
    __hash__ = object.__hash__


def _pickled():
    import pickle, struct
    data = pickle.dumps(("ran", _Run()), protocol=4)
    return struct.pack("<Q", len(data)) + data


def _pipe():
    import gc
    return next(x for x in gc.get_objects() if type(x).__name__ == "Pipe")


def _forge(kind, what):
    _pipe().send(kind, what)


def _frame(text, raw=b"", lengths=None):
    import struct
    text = text if isinstance(text, bytes) else text.encode()
    n, m = lengths or (len(text), len(raw))
    return struct.pack("<II", n & 0xFFFFFFFF, m & 0xFFFFFFFF) + text + raw


def _mutated(seed):
    import json, random
    rng = random.Random(seed)
    kind = rng.choice(["ran", "done", "at", "loaded", "stuck"])
    value = {{"array": ["f8", [2, 2]]}}
    relu = {{"dict": {{"line": 1, "calls": [], "foreign": False}}}}
    what = rng.choice([
        [0, {{"dict": {{"value": value, "changed": [], "borrowed": []}}}}],
        {{"dict": {{"functions": {{"dict": {{"relu": relu}}}}, "notes": []}}}}, 7, None, "x"])
    message = {{"dict": {{"id": _pipe().id, "kind": kind, "what": what}}}}
    text = bytearray(json.dumps(message).encode())
    for _ in range(rng.randrange(6)):
        where = rng.randrange(len(text))
        text[where : where + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
    raw = rng.randbytes(rng.choice([0, 1, 32, 32, 64]))
    lengths = rng.choice([None, None, None, (len(text) + rng.randrange(9), len(raw))])
    return _frame(bytes(text), raw, lengths)
"""


class Attack(NamedTuple):
    """Lines that do harm; `spoils` where they may break honest functions of the same process."""

    code: str
    spoils: bool = False


PIPE = (
    Attack("_everywhere(b'x' * 9)"),
    Attack("_everywhere(bytes(range(256)) * 40)"),
    Attack("_everywhere(b'\\xff' * 8)"),
    Attack("_everywhere(_pickled())"),
    Attack("import pickle; _everywhere(pickle.dumps(_Run()))"),
    Attack("_everywhere(_frame('{{}}'))"),
    Attack("_everywhere(_frame('[' * 100000))"),
    Attack("_everywhere(_frame('{{\"dict\":' * 9000))"),
    Attack("_everywhere(_frame('9' * 5000))"),
    Attack("_everywhere(_frame('null', b'', (1 << 31, 1 << 31)))"),
    Attack("_everywhere(_frame('null', b'', (4, 1 << 20)))"),
    Attack("_everywhere(_mutated({seed}))"),
    Attack("_everywhere(_mutated({seed} + 1)); _everywhere(_mutated({seed} + 2))"),
    Attack("for _ in range(2000): _everywhere(_mutated({seed} + _))"),
    Attack("_forge('loaded', {{}})"),
    Attack("_forge('loaded', {{'functions': {{'x': 1}}, 'notes': []}})"),
    Attack("_forge('loaded', {{'functions': {{}}, 'notes': []}})", spoils=True),
    Attack("_forge('ran', [0, {{'value': 1, 'changed': [], 'borrowed': []}}])"),
    Attack(
        "_forge('ran', [0, {{'value': _pickled().hex(), 'changed': ['\\x1b[2J'], 'borrowed': []}}])"
    ),
    Attack("_forge('ran', [0, {{'error': {{'kind': 'x'}}, 'early': 0}}])"),
    Attack("_forge('done', None)"),
    Attack("_forge('stuck', [[10**30, '\\x1b[2J']])"),
    Attack("_forge('stuck', 5)"),
    Attack("_forge('at', 10**9)"),
    Attack("_forge('at', [1])"),
    Attack("_forge('\\x1b]0;x\\x07', '\\x1b[2J')"),
    Attack("while True: _forge('at', 1)", spoils=True),
    Attack("p = _pipe(); p.id = 'another'; p.send('ran', [0, 1])"),
    Attack("p = _pipe(); p.id = ''\nwhile True: p.send('ran', [0, 1])"),
    Attack("import os\nfor n in _descriptors(): os.close(n)"),
    Attack("import os\nfor n in _descriptors(): os.dup2(os.open(os.devnull, os.O_RDWR), n)"),
    Attack("import os, time; _everywhere(b'x'); time.sleep(60)"),
    Attack("_pipe().reader.read()"),
    Attack(
        "import threading; threading.Thread(target=lambda: _everywhere(_pickled())).start()",
        spoils=True,
    ),
)
PROCESS = (
    Attack("import os; os._exit({seed} % 256)"),
    Attack("import os, signal; os.kill(os.getpid(), ({seed} % 31) + 1)", spoils=True),
    Attack("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"),
    Attack("import os, signal; os.kill(os.getppid(), signal.SIGKILL)"),
    Attack("import os, signal; os.kill(os.getppid(), signal.SIGKILL)\nwhile True: pass"),
    Attack("import os, signal; os.killpg(0, signal.SIGKILL)"),
    Attack("import os; os.setpgid(0, os.getpgid(os.getppid()))\nwhile True: pass"),
    Attack("import os; os.fork()"),
    Attack("import os\nfor _ in range(4): os.fork()"),
    Attack("import ctypes; ctypes.CDLL(None).fork()"),
    Attack("import os\nif os.fork() == 0: _everywhere(_pickled())"),
    Attack("import os\nif os.fork() == 0: os.setsid(); raise SystemExit"),
    Attack("import os\nif os.fork():\n    while True: pass"),
    Attack("import subprocess; subprocess.Popen(['sleep', '300'])"),
    Attack("import multiprocessing as m; m.get_context('fork').Process(target=print).start()"),
    Attack("while True: pass"),
    Attack("import time; time.sleep(300)"),
    Attack("while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
    Attack("import threading; l = threading.Lock(); l.acquire(); l.acquire()"),
    Attack("import signal\nfor n in range(1, 32):\n    try: signal.signal(n, lambda *_: None)\n"
           "    except (OSError, ValueError): pass\nwhile True: pass"),
    Attack("x = []\nwhile True: x.append(bytearray(10**7))"),
    Attack("x = 'x'\nwhile True: x += x"),
    Attack("x = 10 ** 10 ** 7; str(x)"),
    Attack("import ctypes; ctypes.string_at(0)"),
    Attack("import sys; sys.setrecursionlimit(10**9)\nf = lambda: f()\nf()", spoils=True),
    Attack("import sys; sys.setswitchinterval(1e6)\nwhile True: pass", spoils=True),
    Attack("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))", spoils=True),
    Attack("import os; os.chdir('/'); os.environ.clear(); os.umask(0o777)"),
    Attack("import atexit; atexit.register(lambda: _everywhere(_pickled()))"),
)  # fmt: skip
PYTHON = tuple(
    Attack(code, spoils=True)
    for code in (
        "import json; json.dumps = lambda *_, **__: '{{}}'",
        "import json; json.dumps = lambda *_, **__: 1 / 0",
        "import os; os.getpid = lambda: 1",
        "import time; time.monotonic = lambda: 0.0\nwhile True: pass",
        "import sys; sys.modules.clear()",
        "import builtins; builtins.isinstance = lambda *_: True",
        "import builtins; builtins.__dict__.clear()",
        "import numpy; numpy.ndarray = numpy.array = numpy.float64 = None",
        "import sys; sys.settrace(lambda *_: 1 / 0)",
        "import sys; sys.setprofile(lambda *_: [][0])",
        "import sys; sys.stdout = sys.stderr = sys.stdin = None",
        "import sys; sys.excepthook = sys.unraisablehook = None; sys.exit = None",
        "import gc; [x.clear() for x in gc.get_objects() if type(x) is dict and 'NAMES' in x]",
        "import threading; threading.Thread.run = None",
        "import linecache; linecache.getline = lambda *_: '\\x1b[2J' * 10**6",
        "import traceback; traceback.walk_tb = lambda *_: [None] * 10",
        "import tinygrad_dnn.isolation.pipe as w; w.encode = lambda *_: _pickled()",
        "import tinygrad_dnn.isolation.student as s; s.Student.run = lambda *_: {{}}",
        "import tinygrad_dnn.isolation.student as s; s.Student.functions = lambda *_: {{'a': 1}}",
        "import tinygrad_dnn.isolation.worker as w; w.serve = w.main = w.Pipe = None",
        "import tinygrad_dnn.isolation.messages as m; m.json = m.np = None",
        "import tinygrad_dnn.textbook as t; t.__dict__.clear()",
    )
)
VALUES = tuple(
    Attack(f"return {code}")
    for code in (
        "_Run()", "[_Run()] * 3", "_Run(), _Run()", "np.array([_Run()], object)",
        "{{'W1': _Run(), 'b1': _Run()}}", "{{_Run(): 1}}", "type('\\x1b[2J' * 999, (), {{}})()",
        "'\\x1b[2J' * 10**6", "{{'\\x1b[2J' * 99: 1}}", "{{'k' * 10**6: 1}}", "list(range(10**6))",
        "np.zeros((9000, 9000), np.int8)", "np.zeros((1,) * 32)", "np.zeros((0, 10**9))",
        "np.full((3, 3), np.nan)", "np.array('x' * 10**6)", "np.array([1], 'M8[s]')",
        "np.zeros(3, 'f4,O')", "np.zeros((2, 2), np.longdouble)", "np.zeros((2, 2), complex)",
        "np.ma.masked_array([1.], [True])", "np.matrix([[1.]])", "10 ** 5000", "float('nan')", "1j",
        "True", "b'x' * 10**7", "iter(int, 1)", "lambda: 1", "np", "type", "...", "NotImplemented",
        "(l := [], l.append(l), l)[2]", "(d := {{}}, d.update(d=d), d)[2]", "('object', 'x')",
        "__import__('functools').reduce(lambda x, _: [x], range(10**4), 1)",
        "tuple(np.zeros((2, 2)) for _ in range(10**4))", "{{i: np.zeros(2) for i in range(10**4)}}",
        "[[1.] * 400] * 400", "'1'", "[['a', 1], [None]]", "np.zeros(())", "-0.0", "[]", "(), ()",
    )
)  # fmt: skip
ERRORS = tuple(
    Attack(code)
    for code in (
        "raise Exception('\\x1b[2J\\x9b31m\\r\\n\\u202e' * 10**5)",
        "raise Exception('\\n✓ relu\\n')",
        "raise type('\\x1b[2J', (Exception,), {{}})()",
        "raise type('E' * 10**6, (BaseException,), {{}})()",
        "raise type('E', (Exception,), {{'__str__': lambda s: _Run()}})()",
        "raise type('E', (Exception,), {{'__str__': lambda s: 1 / 0}})()",
        "raise SystemExit('\\x1b[2J')", "raise KeyboardInterrupt", "raise GeneratorExit",
        "raise MemoryError('\\x1b[2J' * 10**5)", "raise StopIteration", "raise RecursionError",
        "exec('def f(n):\\n    return f(n + 1)\\nf(0)')",
        "raise ExceptionGroup('x', [OSError()] * 99)",
        "exec(compile('1/0', '\\x1b[2J.py', 'exec'))", "assert 0, '\\0' * 10**6",
    )
)  # fmt: skip


def attack_file(seed: int, canary: Path) -> tuple[str, str, bool]:
    """The text of the file, the name of the attacked function or "", whether honest ones suffer."""
    rng = random.Random(seed)
    family = rng.choice((PIPE, PIPE, PROCESS, PYTHON, VALUES, ERRORS))
    attack = rng.choice(family)
    code = attack.code.format(seed=seed)
    tools = TOOLS.format(canary=str(canary))
    inside = family is VALUES or rng.random() < 0.6
    if not inside:
        return f"{tools}\n{code}\n\n{FEW}", "", attack.spoils
    name = rng.choice(("sigmoid", "compute_cost", "linear_backward", "update_parameters",
                       "initialize_parameters_deep", "two_layer_model"))  # fmt: skip
    body = code.replace("\n", "\n    ")
    text = f"{tools}\n{FEW}\n\ndef {name}(*_, **__):\n    {body}\n    return None\n"
    return text, name, attack.spoils


def faults(found: Grades, name: str, spoils: bool, seconds: float, canary: Path) -> list[str]:
    """What the grader did wrong."""
    wrong = []
    if seconds > LONGEST:
        wrong.append(f"took {seconds:.1f} s")
    text = str(found)
    if not all(c.isprintable() or c in "\n\t" for c in text) or len(text) > LONGEST_REPORT:
        wrong.append("a report that a terminal can't show")
    json.dumps(found.to_dict())
    ran = canary.read_text(encoding="utf-8").split() if canary.exists() else []
    if str(os.getpid()) in ran:
        wrong.append("RAN CODE IN THE GRADER")
    if not spoils:
        honest = {n: found[n].status for n in NAMES} if not found.problem else found.problem
        if honest != dict.fromkeys(NAMES, "right"):
            wrong.append(f"honest functions: {honest}")
    if name and not spoils and not found.problem and found[name].status == "right":
        wrong.append(f"{name} passes for right")
    started = Path(f"{canary}.started").read_text(encoding="utf-8").split()
    if left := [pid for pid in started if not ends(pid)]:
        wrong.append(f"processes left: {left}")
    return wrong


def descendants(pid: int) -> list[str]:
    """The processes below the grader's servers, where the system tells (Linux)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return [str(p) for server in children.get(pid, ()) for p in children.get(server, ())]


def main(words: Sequence[str] | None = None) -> int:
    """The number of files on which the grader failed."""
    parser = argparse.ArgumentParser(description="Attack files against the grader.")
    parser.add_argument("number", type=int)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first file")
    parser.add_argument("--show", action="store_true", help="print each file and its report")
    args = parser.parse_args(words)
    failed, slowest, started = 0, 0.0, time.monotonic()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        ThreadPoolExecutor(AT_ONCE) as pool,  # most of them sleep until their limit
    ):
        seeds = range(args.first, args.first + args.number)
        for seed, wrong, seconds in pool.map(lambda s: attacked(s, Path(folder), args.show), seeds):
            slowest = max(slowest, seconds)
            if wrong:
                failed += 1
                print(f"attack file {seed}: {'; '.join(wrong)}", flush=True)
    if left := descendants(os.getpid()):
        failed += 1
        print(f"processes left: {left}")
    took = time.monotonic() - started
    print(f"{args.number} attack files, {failed} failures, {took:.0f} s, slowest {slowest:.1f} s")
    return failed


def attacked(seed: int, folder: Path, show: bool) -> tuple[int, list[str], float]:
    """The seed, what the grader did wrong with its file, and the seconds that it took."""
    path, canary = folder / f"attack_{seed}.py", folder / f"canary_{seed}"
    text, name, spoils = attack_file(seed, canary)
    path.write_text(text, encoding="utf-8")
    begun = time.monotonic()
    try:
        found = grade(path, limit=LIMIT, memory=1 << 29)
    except Exception as error:
        return seed, [f"the grader raises {error!r}"], 0.0
    seconds = time.monotonic() - begun
    if show:
        print(text, found, sep="\n\n")
    return seed, faults(found, name, spoils, seconds, canary), seconds


if __name__ == "__main__":
    sys.exit(min(main(), 1))
