"""Each example runs as it stands, and does what it says."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pytest
from commands import call

from tinygrad_dnn.cli.main import main
from tinygrad_dnn.grading import grade
from tinygrad_dnn.ops import REGISTRY
from tinygrad_dnn.train import load_model

FOLDER = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(monkeypatch, tmp_path):
    def load(name: str):
        monkeypatch.setattr(sys, "argv", [name])
        monkeypatch.chdir(tmp_path)
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_every_example_has_a_test() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in FOLDER.glob("*.py")} <= tested


def test_document_network(example) -> None:
    assert example("document_network").main(iterations=300) > 0.92


def test_gpu(example, monkeypatch, capsys) -> None:
    gpu = example("gpu")
    assert gpu.main("device_array", 20) == gpu.main("cpu", 20)
    assert capsys.readouterr().out.count("the same gradient? True") == 2
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpu.chosen([]) == "cpu"
    assert "CuPy is not installed" in capsys.readouterr().out
    assert gpu.chosen(["cuda"]) == "cuda"


def test_own_exercise(example, capsys) -> None:
    exercise = example("own_exercise").exercise
    space: dict[str, object] = {}
    exec(
        "import numpy as np\ndef leaky_relu(Z): return np.where(Z > 0, Z, 0.01 * Z)\n"
        "def leaky_relu_backward(dA, Z): return np.where(Z > 0, dA, 0.01)\n"
        "def mse(A, Y): return np.mean((A - Y) ** 2)\n"
        "def mse_gradient(A, Y): return A - Y\n",
        space,
    )
    found = grade(space, exercise=exercise)
    assert [g.status for g in found] == ["right", "wrong", "right", "wrong"]
    assert found["leaky_relu_backward"].words == (
        "dZ has the slope 0.01 where 0.01 dA is right: what arrives is multiplied by the slope",
    )
    assert call("exercise", "test", str(FOLDER / "own_exercise.py")) == 0
    assert "✓ mse_gradient" in capsys.readouterr().out


def test_xor(example, tmp_path) -> None:
    assert example("xor").main(str(tmp_path / "xor.svg")) == [0, 1, 1, 0]
    assert (tmp_path / "xor.svg").stat().st_size > 1000


def test_playgrounds(example, tmp_path, capsys, monkeypatch) -> None:
    module = example("playgrounds")
    assert len(module.PAGES) == 11
    # what is given to each of them otherwise, and the largest
    pages = (module.neuron, module.three_classes, module.vanishing_gradients)
    monkeypatch.setattr(module, "PAGES", pages)
    module.main(tmp_path)
    sizes = [(tmp_path / f"{page.__name__}.html").stat().st_size for page in pages]
    assert max(sizes) < 300_000
    assert "One neuron learns OR" in capsys.readouterr().out


def test_digits_softmax(example) -> None:
    module = example("digits_softmax")
    right, _ = module.main()
    assert right >= 0.975


def test_convnet_digits(example) -> None:
    assert example("convnet_digits").main() >= 0.97


def test_own_data(example) -> None:
    for name in ("pandas", "PIL"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    right = example("own_data").main()
    assert [*right] == ["CSV", ".npz", "pictures", "frame"]
    assert right["CSV"] == right[".npz"] == right["frame"]
    assert min(right.values()) > 0.93


def test_larger_than_memory(example) -> None:
    whole, resumed = example("larger_than_memory").main()
    assert resumed == whole
    assert whole[-1] < 0.1 < 0.8 < whole[0]


def test_cluster(example) -> None:
    """What it does on processes runs in CI, as a script; see tests/cluster too."""
    pytest.importorskip("distributed")
    module = example("cluster")
    costs, tasks = module.on_arrays(*module.points(), steps=3, chunk=1500)
    assert costs[0] > costs[1] > costs[2]
    assert tasks == [1, 1, 1]


def test_digits_toml(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "--config", str(FOLDER / "digits.toml"), "--epochs", "3", "--no-pictures"]
    assert main(words) == 0
    assert (
        "adamw, learning rate 0.01, cosine schedule after 46 iterations" in capsys.readouterr().out
    )


def test_sweep_toml(tmp_path, monkeypatch, capsys) -> None:
    """That it runs through is a step of its own in .ci/run."""
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", str(FOLDER / "sweep.toml"), "--dry-run"]) == 0
    first, *runs = capsys.readouterr().out.splitlines()
    assert first.startswith("18 runs: 6 settings, 3 of each; accuracy on 3 folds")
    assert runs[-1] == "18  to do     optimizer=nesterov learning_rate=0.1 layers=64,64,10 fold=3/3"
    assert not any(tmp_path.iterdir())


def test_regularization(example, tmp_path, capsys) -> None:
    found = example("regularization").main(str(tmp_path / "regularized.svg"))
    told = capsys.readouterr().out
    assert "dW2 = 1.5/m · W2 + 1/m · dZ2 A1ᵀ" in told
    assert "dZ1 = dA1 ⊙ D1 ⊙ 1[Z1 > 0]" in told
    plain, plain_right = found.pop("neither")
    assert plain > 1.05 * max(cost for cost, _ in found.values())
    assert plain_right < min(right for _, right in found.values())
    assert (tmp_path / "regularized.svg").stat().st_size > 1000


def test_fit_curve(example) -> None:
    module = example("fit_curve")
    p = module.main()
    np.testing.assert_allclose(p, module.TRUE, atol=0.05)
    assert np.abs(module.grad(module.loss)(p)).max() < 1e-12


@pytest.mark.parametrize("by", ["scipy", "Newton"])
def test_gaussian_process(example, monkeypatch, tmp_path, by: str) -> None:
    module = example("gaussian_process")
    if by == "scipy":
        pytest.importorskip("scipy")
    else:
        monkeypatch.setattr(module, "minimize", None)
    p = module.main(str(tmp_path / "process.svg"))
    assert np.abs(module.slope(p)).max() < 1e-5
    assert np.linalg.eigvalsh(module.curvature(p)).min() > 0
    assert np.exp(p[2]) == pytest.approx(0.1, abs=0.03)  # the noise that was put in
    assert (tmp_path / "process.svg").stat().st_size > 1000


def test_custom_op(example) -> None:
    try:
        slopes = example("custom_op").main()
    finally:
        REGISTRY.pop("swish", None)
    np.testing.assert_allclose(slopes[1], 0.5)


def test_draw_network(example, tmp_path) -> None:
    module = example("draw_network")
    fresh = module.main(tmp_path / "network.dot").read_text(encoding="utf-8")
    assert "Z4 = W4 A3 + b4" in fresh
    picture = module.HERE.read_text(encoding="utf-8")
    assert "Z4 = W4 A3 + b4" in picture.replace("&#45;", "-")


def test_lesson_backprop(example, capsys) -> None:
    example("lesson_backprop")
    assert "dW is exactly 4 = m times too large: was 1/m forgotten?" in capsys.readouterr().out


def test_grade_a_class(example, tmp_path, capsys) -> None:
    assert example("grade_a_class").main("made") == [1, 1, 0]
    told = capsys.readouterr().out
    assert "1207 (made/submissions/ann_1207_homework.py): 3 right" in told.replace("\\", "/")
    assert "2 of 3 points: dA_prev and db are right" in told
    results = json.loads((tmp_path / "made" / "results.json").read_text(encoding="utf-8"))
    assert [t["score"] for t in results["tests"]] == [1, 0, 2]
    pages = {page.name for page in (tmp_path / "made" / "pages").iterdir()}
    assert pages == {"index.html", "1207.html", "1208.html", "1209.html"}
    assert (tmp_path / "made" / "autograder.zip").stat().st_size > 100_000


def test_grade_homework(tmp_path) -> None:
    def pytest_of(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, FOLDER / "grade_homework.py", "-p", "no:cacheprovider"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    done = pytest_of(HOMEWORK="")
    assert done.returncode == 0, done.stdout
    assert "18 passed" in done.stdout
    homework = tmp_path / "homework.py"
    homework.write_text("def relu_backward(dA, cache):\n    return dA * (cache >= 0)\n")
    done = pytest_of(HOMEWORK=str(homework))
    assert done.returncode == 1
    assert "dZ has 1[Z ≥ 0] where 1[Z > 0] is right" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_homework(example) -> None:
    """Right but for two functions, which the guide's page shows."""
    cache = np.ones((2, 4)), np.ones((1, 2)), 0.0
    _, dW, _ = example("homework").linear_backward(np.ones((1, 4)), cache)
    assert dW[0, 0] == 4  # 1/m forgotten


def test_vanishing_gradients(example, tmp_path) -> None:
    rows = example("vanishing_gradients").main(tmp_path / "vanishing.svg", tmp_path / "dark.svg")
    norm = {label: {k: np.linalg.norm(x) for k, x in row.items()} for label, row in rows.items()}
    good, bad = norm["1/√n: gradients"], norm["0.01: gradients"]
    assert bad["dZ1"] / bad["dZ4"] < 1e-4 < 0.1 < good["dZ1"] / good["dZ4"]
    for name in ("vanishing.svg", "dark.svg"):
        assert (tmp_path / name).stat().st_size > 1000


@pytest.fixture
def gallery(example):
    return example("gallery")


def test_gallery(gallery, tmp_path) -> None:
    """The pictures that are shown say what the script draws today."""
    for fresh in gallery.main(tmp_path / "pictures"):
        shown = gallery.HERE / fresh.name
        told, tells = (path.read_text(encoding="utf-8") for path in (shown, fresh))
        assert told == tells if fresh.suffix == ".html" else words(told) == words(tells)
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r'src="pictures/([^"]+)"', page)
    assert {f"{name}.svg" for name in gallery.GALLERY} <= set(pictures)
    assert all((gallery.HERE / name).exists() for name in pictures)


def test_gallery_derives_the_documents_formulas(gallery) -> None:
    text = str(gallery.derivation())
    for line in ("dZ4 = A4 − Y ", "dW4 = 1/m · dZ4 A3ᵀ ", "dZ1 = dA1 ⊙ 1[Z1 > 0] "):
        assert line in text
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "(pictures/derivation.html)" in page


def words(svg: str) -> list[str]:
    """All texts of a drawing, wherever they stand in it."""
    return sorted(map(unescape, re.findall(r"<text[^>]*>([^<]*)", svg)))


def test_gallery_says_what_its_page_says(gallery) -> None:
    assert "245,967 parameters" in gallery.folded().source
    assert "dZ1 = dA1 ⊙ 1[Z1 &gt; 0]" in gallery.both_passes().source
    assert "dw = dh2 · (1 − h2 · h2) · h1 + dh1 · (1 − h1 · h1) · x" in gallery.shared().source
    assert "a sigmoid saturated" in " ".join(re.findall(r">([^<>]+)<", gallery.nan().source))


def test_scipy_optimize(example) -> None:
    pytest.importorskip("scipy", reason="SciPy (the extra scipy) is not installed")
    module = example("scipy_optimize")
    cost, share, iterations = module.network()
    assert cost < 1e-3
    assert share > 0.999
    assert iterations <= 100  # gradient descent takes 2,500 to cost 0.005
    np.testing.assert_allclose(module.newton(), 1, atol=1e-5)
    np.testing.assert_allclose(module.curve(), [2.0, 0.5, 1.0, 4.0], rtol=1e-8)
    state, _ = module.oscillator()
    assert abs(state[0]) < 2.1


def test_scikit_learn(example, capsys) -> None:
    pytest.importorskip("sklearn")
    assert example("scikit_learn").main() > 0.96
    assert "dW2 = " in capsys.readouterr().out


def test_fit_ode(example) -> None:
    pytest.importorskip("scipy", reason="SciPy (the extra scipy) is not installed")
    module = example("fit_ode")
    p, step = module.TRUE, 1e-4 * np.eye(4)[1]
    measured = (module.solve(p + step)[0] - module.solve(p - step)[0]) / 2e-4
    assert np.allclose(module.solve(p)[1][:, 1], measured, atol=1e-3)
    assert np.allclose(module.main(), module.TRUE, atol=0.02)


def test_serve(example, tmp_path) -> None:
    serve = example("serve")
    assert call("train", "--head", "softmax", "--iterations", "5", "--no-pictures") == 0
    with serve.answering(load_model("run/model.h5")) as running:
        told = serve.ask(running, np.array([[0] * 64, [255] * 64]))
        assert len(told["classes"]) == 2
        assert np.allclose(np.sum(told["probabilities"], axis=1), 1)
        with pytest.raises(HTTPError, match="400") as refused:
            serve.ask(running, np.array([[1, 2]]))
        assert "expected examples (m, 8, 8, 1)" in json.load(refused.value)["error"]
        refused.value.close()


def test_export_onnx(example, tmp_path) -> None:
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    assert example("export_onnx").main(str(tmp_path / "network.onnx")) < 1e-14
