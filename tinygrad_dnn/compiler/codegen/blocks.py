"""A region as text: a function of one block, which a helper at the head of the module runs over
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tinygrad_dnn.compiler.codegen.buffers import Plan
from tinygrad_dnn.compiler.codegen.lower import Lowered
from tinygrad_dnn.compiler.codegen.naming import Called
from tinygrad_dnn.compiler.codegen.numpy_source import fold_of
from tinygrad_dnn.compiler.codegen.regions import Region, operands_of
from tinygrad_dnn.compiler.codegen.statements import Line, Writer
from tinygrad_dnn.compiler.python_text import dtype_word, quoted
from tinygrad_dnn.graph import Node

# Stands in modules that have a region.
HEAD = '''
_THREADS = None  # as many as there are cores for this process


def _cores():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


class _Blocks:
    """A function of one block that is run over all blocks of arrays, by several threads.

    What a block is does not depend on the number of threads, and so no bit of the results does.
    """

    def __init__(self, work, n, step, axes, buffers, order, parts):
        self.work, self.axes, self.buffers, self.order = work, axes, buffers, order
        self.sets = []
        ends = [(i, min(i + step, n)) for i in range(0, n, step)]
        self.short = n % step
        at = {a for a in axes if a is not None}
        self.places = [
            {None: ..., **{a: (slice(None),) * a + (slice(i, j),) for a in at}} for i, j in ends
        ]
        self.parts = [np.empty((len(ends), *shape), kind) for shape, kind in parts]

    def _empty(self):
        """Memory for one thread, and its first part for a last block that is shorter."""
        whole = [np.empty(shape, kind) for shape, kind, _ in self.buffers]
        cut = [
            x[(slice(None),) * axis + (slice(self.short),)]
            for x, (_, _, axis) in zip(whole, self.buffers)
        ]
        return [whole[i] for i in self.order], [cut[i] for i in self.order]

    def _run(self, todo, number, arrays):
        """Blocks as long as there are any left to do: a thread that is held up does fewer."""
        whole, cut = self.sets[number]
        for k in iter(todo.popleft, None):
            place = self.places[k]
            self.work(
                *[x[place[axis]] for x, axis in zip(arrays, self.axes)],
                *[part[k, ...] for part in self.parts],
                *(cut if self.short and k == len(self.places) - 1 else whole),
            )

    def __call__(self, *arrays):
        n = len(self.places)
        of = max(1, min(_THREADS or _cores(), n // 2))
        while len(self.sets) < of:
            self.sets.append(self._empty())
        todo = collections.deque([*range(n), *[None] * of])
        if of == 1:
            self._run(todo, 0, arrays)
            return
        errors = []

        def share(number):
            try:
                self._run(todo, number, arrays)
            except BaseException as error:
                errors.append(error)

        # np.errstate holds in them too.
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(share, number))
            for number in range(1, of)
        ]
        for thread in threads:
            with contextlib.suppress(RuntimeError):  # the system has no more: the others do it all
                thread.start()
        share(0)
        for thread in threads:
            while thread.ident is not None and thread.is_alive():
                try:
                    thread.join()
                except KeyboardInterrupt as error:
                    errors.append(error)
        if errors:
            raise errors[0]
'''


@dataclass
class Block:
    """The text of a region.

    Attributes:
        definition: the function of one block, and the object that runs it.
        lines: those in the program, which run it and reduce what its blocks gave.
        told: what it does, in words.
    """

    definition: list[str]
    lines: list[str]
    told: str


def block_of(
    region: Region,
    plan: Plan,
    lowered: Lowered,
    called: Called,
    writer: Writer,
    comments: Callable[[Sequence[Line]], Iterator[str]],
) -> Block:
    """The text of a region.

    Args:
        writer: of the lines outside.
        comments: gives lines as text, with the parts of the program that they belong to.
    """
    names = called.names
    name = names.fresh("block")
    inside: dict[Node, str] = {}
    given: list[tuple[str, str, int | None]] = []  # the parameter, the argument, its axis
    for x in operands_of(region, lowered):
        own = called.values.get(x)
        inside[x] = own or names.fresh("part")
        given.append((inside[x], writer.operand(x), region.position(x)))
    scratch: dict[str, int] = {}
    for node in region.lines:
        inside[node] = called.values[node]
        if node in region.folded:
            continue
        memory = plan.memory[node]
        if memory.kind == "block":
            scratch[inside[node]] = memory.buffer
        else:
            given.append((inside[node], inside[node], region.position(node)))
    given = list(dict.fromkeys(given))
    folded = [n for n in region.lines if n in region.folded]
    names_inside = called.values | inside
    within = Writer(
        lowered, plan, writer.constants, names_inside, called.unnamed, writer.readers, in_block=True
    )
    body = list(comments(within.lines(region.lines)))
    parameters = [p for p, _, _ in given] + [inside[n] for n in folded] + [*scratch]
    cut = region.cut
    definition = [
        f"def {name}({', '.join(parameters)}):",
        f'    """{cut.step:,} of {cut.n:,} places."""',
        *(f"    {line}" for line in body),
        "",
        f"{name} = _Blocks(",
        f"    {name}, n={cut.n}, step={cut.step},",
        f"    axes={_tuple([str(axis) for _, _, axis in given])},",
        f"    buffers={_listed([_made(*there) for there in plan.scratch[region]])},",
        f"    order={_tuple(list(map(str, scratch.values())))},",
        f"    parts={_listed([f'({n.shape}, {_kind(n.dtype)})' for n in folded])},",
        ")",
    ]
    lines = [f"{name}({', '.join(argument for _, argument, _ in given)})"]
    lines += [
        f"np.{fold_of(n.op)}.reduce({name}.parts[{i}], axis=0, out={called.values[n]})"
        for i, n in enumerate(folded)
    ]
    sums = f", and {len(folded)} of their reductions" if folded else ""
    told = (
        f"blocks: {len(region.lines) - len(folded)} ops over {region.lines[0].shape}{sums}: "
        f"{cut.step:,} of {cut.n:,} places at a time"
    )
    return Block(definition, lines, told)


def _kind(dtype: Any) -> str:
    return quoted(dtype_word(dtype))


def _made(dtype: Any, cut: tuple[tuple[int, ...], int]) -> str:
    """What `_Blocks` makes a buffer of."""
    shape, axis = cut
    return f"({shape}, {_kind(dtype)}, {axis})"


def _tuple(words: Sequence[str]) -> str:
    return f"({', '.join(words)}{',' * (len(words) == 1)})"


def _listed(words: Sequence[str]) -> str:
    """A list, the same items in a row once: `3 * [(4,)]`."""
    runs = [(word, len([*group])) for word, group in groupby(words)]
    return " + ".join(f"{n} * [{w}]" if n > 1 else f"[{w}]" for w, n in runs) or "[]"
