"""README and guide pages: snippets run and print what stands beside them, commands and links exist.

A page of the guide continues the session of the README, and that of `loops` that of `compile` too.
"""

import contextlib
import importlib.util
import io
import math
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from commands import call

import tinygrad_dnn as tg
from tinygrad_dnn.cli.main import main
from tinygrad_dnn.ops import REGISTRY

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "examples" / "guide"
README = ROOT / "README.md"
PAGES = [README, *sorted(GUIDE.glob("*.md"))]
AFTER = {"loops": [GUIDE / "compile.md"]}
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)

SNIPPET = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", flags=re.DOTALL)
TRANSCRIPT = re.compile(r"```pycon\n(.*?)```", flags=re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def snippets(page: Path) -> list[tuple[str, str]]:
    """Each snippet, and what is said to be printed, empty where nothing is said."""
    return SNIPPET.findall(text_of(page))


def run(page: Path, names: dict[str, object]) -> list[tuple[str, str]]:
    """Run a page's snippets; what each printed, and what it is said to print."""
    found = []
    for code, said in snippets(page):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, page.name, "exec"), names)
        found.append((printed.getvalue(), said))
    return found


@pytest.fixture(scope="module")
def readme(tmp_path_factory) -> dict[str, object]:
    """The names of the README's session, which every page goes on from."""
    names: dict[str, object] = {"__name__": "readme"}
    with contextlib.chdir(tmp_path_factory.mktemp("readme")):
        run(README, names)
    return names


@pytest.fixture
def session(tmp_path, monkeypatch, readme):
    """A session in which a page can be read: what stands before it has been typed."""
    monkeypatch.chdir(tmp_path)

    def open_at(page: Path) -> dict[str, object]:
        names = {"__name__": "readme"} if page == README else dict(readme)
        for other in AFTER.get(page.stem, []):
            run(other, names)
        return names

    yield open_at
    REGISTRY.pop("swish", None)


@every_page
def test_the_snippets_run_and_print_what_stands_beside_them(page, session) -> None:
    names = session(page)
    # The README's first command.
    if "run/model.h5" in "".join(code for code, _ in snippets(page)):
        assert call("train", "--iterations", "1", "--no-pictures") == 0
    for printed, said in run(page, names):
        narrow = np.finfo(np.longdouble).nmant != 63  # the pages were written with 80-bit floats
        if said and not (narrow and "80 bits" in said):
            assert printed.splitlines() == said.splitlines()


def test_the_main_snippet_leaves_a_picture_and_gradients(session, tmp_path) -> None:
    names = session(README)
    run(README, names)
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert names["Z1"].grad.shape == (8, 200)
    assert all(said for _, said in snippets(README))


def test_the_errors_are_what_the_guide_says(session) -> None:
    page = GUIDE / "semantics.md"
    names = session(page)
    (transcript,) = TRANSCRIPT.findall(text_of(page))
    first, *statements = re.split(r"^>>> ", transcript, flags=re.MULTILINE)[1:]
    exec(first, names)  # an import
    assert len(statements) == 4
    for statement in statements:
        code, said = statement.split("\n", 1)
        refusal = pytest.raises((TypeError, ValueError, FloatingPointError))
        with np.errstate(all="ignore"), refusal as caught:
            exec(code, names)
        expected = " ".join(said.split()).removesuffix("...").strip()
        got = f"{type(caught.value).__name__}: {caught.value}"
        assert got.startswith(expected)


def commands() -> list[str]:
    text = "\n".join(map(text_of, PAGES))
    shown = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    return [line[2:] for block in shown for line in block.splitlines()]


def test_the_commands_parse() -> None:
    assert len(commands()) > 5
    for command in commands():
        name = command.split()[1]
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0


@every_page
def test_the_links_lead_somewhere(page) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", text_of(page)):
        target = next(part for part in link if part)
        assert target.startswith("https:") or (page.parent / target).exists(), target


def test_every_page_of_the_guide_is_behind_a_door() -> None:
    for page in GUIDE.iterdir():
        if page.suffix in {".md", ".py"}:
            assert f"(examples/guide/{page.name})" in text_of(README)


def test_every_example_is_on_their_page() -> None:
    page = text_of(ROOT / "examples" / "README.md")
    for path in (ROOT / "examples").glob("*.py"):
        assert f"({path.name})" in page


def test_the_readme_is_one_that_one_finishes() -> None:
    assert len(text_of(README).splitlines()) <= 200


def test_the_emitted_step_is_what_is_printed(session) -> None:
    page = GUIDE / "compile.md"
    names = session(page)
    run(page, names)
    source = names["step"].source
    body = source[source.index("    def step(") : source.index("    return step\n")]
    (printed,) = re.findall(r"its body</summary>\n\n```text\n(.*?)```", text_of(page), re.DOTALL)
    assert printed.strip() == textwrap.dedent(body).strip()


def printed_by(*words: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_dnn", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=ROOT,
    )
    return done.stdout + done.stderr


def test_the_steps_to_a_minus_y_are_what_the_guide_says(tmp_path) -> None:
    out = str(tmp_path / "run")
    printed_by("train", "--iterations", "1", "--no-pictures", "--out", out)
    told = printed_by("derive", f"{out}/model.h5", "--wrt", "Z4", "--steps")
    (said,) = re.findall(
        r"--wrt Z4 --steps\n```\n\n```text\n(.*?)```", text_of(GUIDE / "derive.md"), re.DOTALL
    )
    assert said in told + "\n"


def test_the_sample_homework_is_graded_as_the_guide_says() -> None:
    told = printed_by("check", "examples/homework.py")
    assert "5 right, 2 wrong" in told
    (said,) = re.findall(
        r"```text\n(✗ linear_backward.*?)```", text_of(GUIDE / "check.md"), re.DOTALL
    )
    assert said in told


def test_the_engine_in_one_page_gives_the_numbers_of_the_real_one(capsys) -> None:
    path = GUIDE / "engine_in_one_page.py"
    assert len(text_of(path).splitlines()) <= 80
    spec = importlib.util.spec_from_file_location("engine_in_one_page", path)
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    x = engine.Tensor(0.5)
    z = x * engine.exp(x * x) + x
    dz = engine.gradient(z, x)

    def f(x):
        return x * tg.exp(x * x) + x

    numbers = z.value, dz.value, engine.gradient(dz, x).value
    real = f(np.array(0.5)), tg.grad(f)(0.5), tg.grad(tg.grad(f))(0.5)
    assert all(map(math.isclose, numbers, real))
    assert engine.gradient(z, engine.Tensor(1.0)).value == 0
    deep = x
    for _ in range(5_000):
        deep = deep + x
    assert engine.gradient(deep, x).value == 5_001
    assert engine.draw(z).count("->") == 7
    for place in re.findall(r"\(([\w/]+\.py)", text_of(path)):
        assert any((ROOT / root / place).exists() for root in ("", "tinygrad_dnn")), place
