"""`tinygrad-dnn predict` on picture files: as a camera held them, as the model needs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import DONE, UNUSABLE, call, change_model, complaint, examples, run

from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import predict

Out = pytest.CaptureFixture[str]
Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.usefixtures("folder")  # every test runs in a copy of its own


def grey_model(shape: tuple[int, ...] = (4, 4), **fields: Any) -> None:
    """A model of one layer whose probability is σ(mean of the picture − 1/2)."""
    n = int(np.prod(shape))
    parameters = {"W1": np.full((1, n), 1 / n), "b1": np.full((1, 1), -0.5)}
    change_model(parameters=parameters, layer_dims=(n, 1), x_shape=shape, **fields)


def save_picture(name: str, pixels: Any, **options: Any) -> str:
    Image.fromarray(np.asarray(pixels, dtype=options.pop("dtype", np.uint8))).save(name, **options)
    return name


def expected(m: int, seed: int) -> list[float]:
    """The model's probabilities of m examples."""
    x, _ = examples(m, seed)
    parameters = run_file.load("model.h5").parameters
    return predict(x.reshape(m, -1).T / 255, parameters)[0].tolist()


def told_probabilities(capsys: Out, *pictures: str) -> list[float]:
    """The probability told of each picture."""
    assert call("predict", "model.h5", *pictures) == DONE
    out, err = capsys.readouterr()
    assert err == ""
    head, *lines = out.splitlines()
    count = "1 picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
    assert head == f"{count}, class and probability of 'day':"
    assert [line.split()[0] for line in lines] == list(pictures)
    assert [line.split()[1] for line in lines] == [
        ("night", "day")[float(line.split()[2]) > 0.5] for line in lines
    ]
    return [float(line.split()[2]) for line in lines]


def brightness(p: float) -> float:
    """The mean of the picture that `grey_model` saw."""
    return 255 * (0.5 + float(np.log(p / (1 - p))))


def test_a_picture_of_the_models_size_is_taken_as_it_is(capsys: Out) -> None:
    x, _ = examples(4, seed=9)
    AL = expected(4, seed=9)
    names = [save_picture(f"{j}.png", x[j]) for j in range(4)]
    assert told_probabilities(capsys, *names) == [round(p, 4) for p in AL]


def test_a_larger_picture_is_resized(capsys: Out) -> None:
    x, _ = examples(2, seed=9)
    blown_up = [np.kron(x[j], np.ones((16, 16, 1))) for j in range(2)]
    names = [save_picture(f"{j}.png", blown_up[j]) for j in range(2)]
    AL = expected(2, seed=9)
    np.testing.assert_allclose(told_probabilities(capsys, *names), AL, atol=0.05)


def test_a_dark_picture_on_light_paper_is_inverted_when_asked(capsys: Out) -> None:
    grey_model()
    ink = save_picture("ink.png", np.full((5, 5), 30))
    assert call("predict", "model.h5", ink, "--invert") == DONE
    p = float(capsys.readouterr().out.split()[-1])
    assert brightness(p) == pytest.approx(255 - 30, abs=1)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "tiff", "webp"])
def test_the_usual_formats(ending: str, capsys: Out) -> None:
    grey_model()
    name = save_picture(f"a.{ending}", np.full((9, 7, 3), 80))
    (p,) = told_probabilities(capsys, name)
    assert brightness(p) == pytest.approx(80, abs=1)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1)])
def test_a_grey_model_sees_the_luminance(shape: tuple[int, ...], capsys: Out) -> None:
    grey_model(shape)
    red = save_picture("red.png", np.full((6, 6, 3), (255, 0, 0)))
    (p,) = told_probabilities(capsys, red)
    assert brightness(p) == pytest.approx(0.299 * 255, abs=1)  # ITU-R 601


def test_a_colour_model_sees_grey_in_three_channels(capsys: Out) -> None:
    grey_model((4, 4, 3))
    (p,) = told_probabilities(capsys, save_picture("grey.png", np.full((6, 6), 90)))
    assert brightness(p) == pytest.approx(90, abs=1)


def test_a_picture_that_is_not_square_keeps_height_and_width_apart(capsys: Out) -> None:
    """The model reads the first row of a picture 2 high and 6 wide only."""
    W = np.zeros((2, 6))
    W[0] = 1 / 6
    change_model(
        parameters={"W1": W.reshape(1, 12), "b1": np.full((1, 1), -0.5)},
        layer_dims=(12, 1),
        x_shape=(2, 6),
    )
    pixels = np.zeros((2, 6))
    pixels[0] = 200
    (p,) = told_probabilities(capsys, save_picture("wide.png", pixels))
    assert brightness(p) == pytest.approx(200, abs=1)


def test_16_bit_grey_is_not_cut_off(capsys: Out) -> None:
    grey_model()
    deep = save_picture("deep.png", np.full((5, 5), 100 * 257), dtype=np.uint16)
    (p,) = told_probabilities(capsys, deep)
    assert brightness(p) == pytest.approx(100, abs=1)


def test_what_is_transparent_shows_white_paper(capsys: Out) -> None:
    grey_model()
    pixels = np.zeros((4, 4, 4))
    pixels[:2, :, 3] = 255
    half = save_picture("half.png", pixels)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 50, 50, 50])
    palette.save("palette.png", transparency=0)
    p, clear = told_probabilities(capsys, half, "palette.png")
    assert brightness(p) == pytest.approx(127.5, abs=1)
    assert brightness(clear) == pytest.approx(255, abs=1)


def test_a_photograph_is_turned_as_the_camera_was_held(capsys: Out) -> None:
    W = np.zeros((4, 4))
    W[0] = 1 / 4  # reads the first row
    change_model(
        parameters={"W1": W.reshape(1, 16), "b1": np.full((1, 1), -0.5)},
        layer_dims=(16, 1),
        x_shape=(4, 4),
    )
    pixels = np.zeros((4, 4))
    pixels[:, 0] = 200  # stored lying on its side: the first column is the top
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save_picture("turned.png", pixels, exif=exif)
    (p,) = told_probabilities(capsys, turned)
    assert brightness(p) == pytest.approx(200, abs=1)


@pytest.mark.parametrize("ending", ["pgm", "png"])
def test_16_bit_grey_of_every_format(ending: str, folder: Path, capsys: Out) -> None:
    grey_model()
    levels = np.full((5, 5), 100 * 257)
    if ending == "pgm":
        (folder / "deep.pgm").write_bytes(b"P5 5 5 65535\n" + levels.astype(">u2").tobytes())
    else:
        save_picture("deep.png", levels, dtype=np.uint16)
    (p,) = told_probabilities(capsys, f"deep.{ending}")
    assert brightness(p) == pytest.approx(100, abs=1)


def test_a_tiff_of_floats_goes_from_0_to_1(capsys: Out) -> None:
    grey_model()
    name = save_picture("floats.tiff", np.full((6, 6), 0.4), dtype=np.float32)
    (p,) = told_probabilities(capsys, name)
    assert brightness(p) == pytest.approx(0.4 * 255, abs=1)


@pytest.mark.parametrize(
    ("pixels", "dtype", "words"),
    [
        (np.linspace(0, 255, 36), np.float32, "are floats from 0 to 255, expected 0 to 1; divide"),
        (np.linspace(-1, 1, 36), np.float32, "are floats from -1 to 1, expected 0 to 1"),
        (np.full(36, np.nan), np.float32, "are floats from nan to nan, expected 0 to 1"),
        (np.arange(36), np.int32, "are 32-bit integers, whose white no format says; save it with"),
    ],
)
def test_levels_without_a_known_white_are_refused(
    pixels: Any, dtype: Any, words: str, capsys: Out
) -> None:
    name = save_picture("odd.tiff", pixels.reshape(6, 6), dtype=dtype)
    told = complaint(capsys, "predict", "model.h5", name)
    assert f"odd.tiff: this picture can't be read: its levels {words}" in told


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    Image.new("1", (11_500, 11_500)).save("bomb.png")  # 20 kB; read, 1.6 GB
    monkeypatch.setattr(Image.Image, "convert", None)
    assert (
        "bomb.png: this picture can't be read: 11500 x 11500 are 132,250,000 pixels, expected at "
        "most 67,108,864; make it smaller"
    ) in complaint(capsys, "predict", "model.h5", "bomb.png")
    Image.new("1", (20_000, 20_000)).save("bomb.png")  # Pillow's own limit
    assert "bomb.png: this picture can't be read: Image size" in complaint(
        capsys, "predict", "model.h5", "bomb.png"
    )


def test_formats_that_start_other_programs_are_not_tried(folder: Path, capsys: Out) -> None:
    head = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n"
    (folder / "a.png").write_text(head)
    assert "a.png: not a picture (PNG, JPEG, GIF, BMP, TIFF, WEBP, PPM)" in complaint(
        capsys, "predict", "model.h5", "a.png"
    )


def test_a_picture_of_which_pillow_only_warns_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """Above its limit of pixels it warns, above twice that it refuses."""
    grey_model()
    name = save_picture("large.png", np.full((6, 6), 90))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    (p,) = told_probabilities(capsys, name)
    assert brightness(p) == pytest.approx(90, abs=1)


def test_pictures_and_files_together(capsys: Out) -> None:
    x, _ = examples(1, seed=9)
    save_picture("one.png", x[0])
    assert call("predict", "model.h5", "one.png", "test.h5") == DONE
    out = capsys.readouterr().out
    assert out.index("11 examples of test.h5") < out.index("1 picture,")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "bad.png: No such file or directory"),
        (
            lambda p: p.touch(),
            "bad.png: not a picture (PNG, JPEG, GIF, BMP, TIFF, WEBP, PPM)",
        ),
        (lambda p: p.write_text("words"), "bad.png: not a picture (PNG, "),
        (lambda p: p.mkdir(), "bad.png: expected a folder of pictures for each class"),
        (
            lambda p: p.write_bytes(
                Path(save_picture("x.png", np.arange(2500).reshape(50, 50) % 251)).read_bytes()[
                    :-60
                ]
            ),
            "bad.png: this picture can't be read: ",
        ),
    ],
)
def test_a_picture_that_is_none(make: Any, words: str, folder: Path, capsys: Out) -> None:
    make(folder / "bad.png")
    assert words in complaint(capsys, "predict", "model.h5", "bad.png")


def test_damaged_pictures_are_answered_in_words(folder: Path, capsys: Out) -> None:
    """Whatever a decoder raises when a few bytes are wrong."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 24, 3))
    for ending in ("png", "jpg", "gif", "bmp", "tiff", "webp"):
        image = Path(save_picture(f"whole.{ending}", pixels)).read_bytes()
        for _ in range(25):
            damaged = bytearray(image)
            for at in rng.integers(8, min(len(damaged), 400), 4):
                damaged[at] = rng.integers(256)
            (folder / f"bad.{ending}").write_bytes(damaged)
            if call("predict", "model.h5", f"bad.{ending}") != DONE:
                assert f"bad.{ending}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [
        {"x_shape": (48,)},
        {"x_shape": (8, 3, 2)},
        {"x_shape": (2, 2, 4, 3)},
        {"x_scale": 1.0},
    ],
)
def test_a_model_that_was_not_trained_on_pictures(fields: dict[str, Any], capsys: Out) -> None:
    change_model(**fields)
    told = complaint(capsys, "predict", "model.h5", save_picture("a.png", np.zeros((4, 4, 3))))
    assert "a.png: the model was not trained on pictures but on examples of shape (" in told


def test_without_pillow_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    name = save_picture("a.png", np.zeros((4, 4, 3)))
    monkeypatch.setitem(sys.modules, "PIL", None)
    told = complaint(capsys, "predict", "model.h5", name)
    assert (
        "reading pictures needs Pillow; install it with pip install 'tinygrad-dnn[image]'" in told
    )


def test_as_a_program_it_warns_of_nothing(folder: Path) -> None:
    x, _ = examples(1, seed=9)
    save_picture("one.png", x[0])
    done = run("predict", "model.h5", "test.h5", "one.png", cwd=folder)
    assert (done.returncode, done.stderr) == (DONE, "")
    done = run("predict", "model.h5", "none.png", cwd=folder)
    assert (done.returncode, done.stdout) == (UNUSABLE, "")


@pytest.mark.cats
def test_the_cats_own_pictures(cats: Path, folder: Path, capsys: Out) -> None:
    """An example saved as a picture is predicted as the example itself."""
    train = cats / "train_catvnoncat.h5"
    assert call("train", train, "--iterations", 2, "--no-pictures") == DONE
    with h5py.File(train) as file:
        pixels = file["train_set_x"][7]
    capsys.readouterr()
    assert call("predict", "run/model.h5", train) == DONE
    of_the_file = capsys.readouterr().out.splitlines()[8].split()
    assert call("predict", "run/model.h5", save_picture("seventh.png", pixels)) == DONE
    of_the_picture = capsys.readouterr().out.splitlines()[1].split()
    assert of_the_picture[1:] == of_the_file[1:3]
