"""Damaged and forged files: each is read right, or refused in words; nothing crashes or hangs.

HDF5 data files (contiguous, in chunks, compressed, with both parts) and model files are changed at
random: bits flipped, bytes replaced by 0, 255 or a copy from elsewhere, stretches cut out, put in
or swapped, the end cut off, and models sealed again after it, so that the contents are looked at.
Readers run in a forked process with a limit on memory and time.

    python tests/reliability/mutated_files.py 1000
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from attack import Figures, in_child, main
from commands import call, write_files

from tinygrad_dnn.data import SPLITS, open_dataset
from tinygrad_dnn.storage import platform, run_file, sealed_file

BATCH = 100  # files that one process reads
MEMORY = 1 << 30


def originals(folder: Path) -> list[tuple[str, bytes]]:
    """Files of every kind that is read, as bytes."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20, 4, 4, 3)).astype(np.uint8), np.arange(20) % 2
    how: list[dict[str, Any]] = [
        {},
        {"chunks": (5, 4, 4, 3)},
        {"chunks": (7, 4, 4, 3), "compression": "gzip", "shuffle": True, "fletcher32": True},
    ]
    found = []
    for k, options in enumerate(how):
        path = folder / f"data{k}.h5"
        with h5py.File(path, "w", libver=("earliest", "latest")[k % 2]) as file:
            for split in SPLITS[: 1 + k % 2]:
                file.create_dataset(f"{split}_set_x", data=x, **options)
                file[f"{split}_set_y"] = y
            file["list_classes"] = np.array([b"night", b"day"])
        found.append(("data", path.read_bytes()))
    write_files(folder)
    words = ("--iterations", 3, "--layers", "48,2,1", "--no-pictures", "--out", folder)
    status, told = in_child(call, "train", folder / "train.h5", *words)
    assert status == 0, told
    image = (folder / "model.h5").read_bytes()
    return [*found, ("model", image), ("model, sealed again", image)]


def mutated(image: bytes, rng: Any) -> bytes:
    """The bytes with one to four changes."""
    found = bytearray(image)
    for _ in range(int(rng.integers(1, 5))):
        n = len(found)
        at, length = int(rng.integers(n)), int(2 ** rng.uniform(0, 6))
        # Headers are where the meaning is: half of the changes hit the first part.
        at = at if rng.random() < 0.5 else at % min(n, 4096)
        match rng.integers(7):
            case 0:
                found[at] ^= 1 << int(rng.integers(8))
            case 1:
                found[at : at + length] = bytes([int(rng.choice([0, 255, 127]))]) * length
            case 2:
                source = int(rng.integers(n))
                found[at : at + length] = found[source : source + length]
            case 3:
                del found[at : at + length]
            case 4:
                found[at:at] = rng.integers(0, 256, length).astype(np.uint8).tobytes()
            case 5:
                found[at : at + 8] = int(rng.integers(2**63)).to_bytes(8, "little")
            case _:
                del found[max(at, 16) :]
        if not found:
            found = bytearray(b"\0")
    return bytes(found)


def sealed(image: bytes) -> bytes:
    """The image with a seal that fits it."""
    body = image[sealed_file.USER_BLOCK :]
    first = b"tinygrad_dnn model, format %d\n" % sealed_file.FORMAT
    digest = hashlib.sha256(first + body).hexdigest().encode()
    return (first + b"sha256 %s\nlength %d\n" % (digest, len(body))).ljust(512, b"\n") + body


def read_data(path: Path) -> None:
    """Everything that a data file is asked for."""
    for split in (*SPLITS, None):
        with open_dataset(path, split=split) as data:
            for ask in (data.columns, data.labels, data.images, data.fingerprint):
                ask()


READERS: dict[str, Callable[[Path], Any]] = {"data": read_data}


def read_all(paths: list[tuple[str, Path]]) -> None:
    """Read the files, and print for each whether it was read or refused."""
    platform.limit_memory(MEMORY)
    for kind, path in paths:
        print(f"\n{path.name} begun", flush=True)
        try:
            READERS.get(kind, run_file.load)(path)
            print("read")
        except (OSError, ValueError) as error:
            words = str(error)
            good = path.name in words and len(words) < 2000 and words.isprintable()
            print("refused" if good else f"unclear: {type(error).__name__}: {words[:300]!r}")
        except Exception as error:
            print(f"unclear: {type(error).__name__}: {str(error)[:300]!r}")


def attack(n: int) -> Figures:
    """Change and read n files."""
    rng = np.random.default_rng(n)
    counted, failures = Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = originals(folder)
        for start in range(0, n, BATCH):
            paths = []
            for k in range(start, min(start + BATCH, n)):
                kind, image = kinds[k % len(kinds)]
                changed = mutated(image, rng)
                path = folder / f"bad{k}.h5"
                path.write_bytes(sealed(changed) if "again" in kind else changed)
                paths.append((kind, path))
            status, told = in_child(read_all, paths, seconds=120)
            *lines, last = told.strip().split("\n\n")
            for entry in [*lines, last]:
                counted[entry.rpartition("\n")[2].partition(":")[0].split()[-1]] += 1
                if "unclear" in entry:
                    failures.append(entry.replace("\n", ": "))
            if status:
                failures.append(f"the process ended with {status}, at: {last[-300:]}")
            for _, path in paths:
                path.unlink()
    return Figures(n, dict(counted), failures)


if __name__ == "__main__":
    main(attack, 500)
