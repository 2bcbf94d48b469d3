"""Sealed files: whole and right or refused; replaced in one step or not at all."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tinygrad_dnn.storage import sealed_file

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions, locks and signals")
BODY = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def body_of(path):
    return sealed_file.read(path)[sealed_file.USER_BLOCK :]


def sealed(path, first_line, body=BODY):
    """A file whose seal, right otherwise, begins with another first line."""
    digest = hashlib.sha256(first_line + body).hexdigest().encode()
    seal = first_line + b"sha256 %s\nlength %d\n" % (digest, len(body))
    path.write_bytes(seal.ljust(sealed_file.USER_BLOCK, b"\n") + body)


def test_what_is_written_is_read(path):
    for body in (BODY, b"", memoryview(BODY)):
        sealed_file.write(path, body)
        assert body_of(path) == body
    assert os.listdir(path.parent) == ["model.h5"]


def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("a.h5", b"b.h5", Path("c.h5"), tmp_path / "d.h5"):
        sealed_file.write(path, BODY)
        assert body_of(path) == BODY
    with pytest.raises(TypeError, match="not NoneType"):
        sealed_file.read(None)
    with pytest.raises(TypeError, match="not int"):
        sealed_file.write(1, BODY)


def test_the_seal_is_what_the_docstring_says(path):
    sealed_file.write(path, BODY)
    image = path.read_bytes()
    lines = image[:512].decode().split("\n")
    assert lines[0] == "tinygrad_dnn model, format 2"
    digest = hashlib.sha256(image[: image.index(b"\n") + 1] + image[512:]).hexdigest()
    assert lines[1] == f"sha256 {digest}"
    assert lines[2] == f"length {len(BODY)}"
    assert set(lines[3:]) == {""}


def test_every_flipped_bit_is_found(path):
    sealed_file.write(path, BODY)
    image = bytearray(path.read_bytes())
    for bit in range(8 * len(image)):
        image[bit // 8] ^= 1 << bit % 8
        fault = sealed_file._fault(bytes(image))
        assert fault, f"bit {bit}"
        assert "newer" not in fault  # one flipped bit is damage, not progress
        image[bit // 8] ^= 1 << bit % 8
    assert sealed_file._fault(bytes(image)) == ""


def test_every_other_length_is_found(path):
    sealed_file.write(path, BODY)
    image = path.read_bytes()
    for length in range(len(image)):
        assert sealed_file._fault(image[:length]), length
    path.write_bytes(image[:-1])
    with pytest.raises(OSError, match=rf"truncated: expected {len(image)} .*got {len(image) - 1}"):
        sealed_file.read(path)
    path.write_bytes(image + b"\0")
    with pytest.raises(OSError, match="something was appended"):
        sealed_file.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"model\.h5: is empty, expected a tinygrad_dnn model"),
        (b"\n" * 600, "not a tinygrad_dnn model: name a file"),
        (b"Dear diary,\n" * 100, "not a tinygrad_dnn model: name a file"),
        (BODY, "an HDF5 file, but not a tinygrad_dnn model"),
        (bytes(512) + BODY, "an HDF5 file that is not a tinygrad_dnn model, or one damaged"),
        (b"tinygrad_dnn model, format 1\nsha256 ", "truncated to 36 bytes"),
        (b"tinygrad_dnn model, format 1\n".ljust(600), "damaged in its first 512 bytes"),
    ],
    ids=["empty", "blank", "text", "hdf5", "hdf5 behind a user block", "beginning", "no digest"],
)
def test_a_file_of_another_kind_is_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(OSError, match=message):
        sealed_file.read(path)


def test_a_newer_format_says_so(path):
    sealed(path, b"tinygrad_dnn model, format 1\n")
    assert body_of(path) == BODY
    sealed(path, b"tinygrad_dnn model, format 12\n")
    with pytest.raises(OSError, match=r"model\.h5: a newer .*format 12; .* up to 2.*: update"):
        sealed_file.read(path)


def test_a_missing_file_is_a_filenotfounderror(path):
    with pytest.raises(
        FileNotFoundError, match=r"model\.h5: no such file: check the path"
    ) as error:
        sealed_file.read(path)
    assert error.value.errno == errno.ENOENT


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder: name the model file in it"):
        sealed_file.read(tmp_path)
    with pytest.raises(IsADirectoryError, match="not saved: it is a folder"):
        sealed_file.write(tmp_path, BODY)


@posix
def test_pipes_and_devices_are_refused_at_once(path):
    os.mkfifo(path)
    for special in (path, Path("/dev/zero")):
        with pytest.raises(OSError, match="cannot be read: not a regular file"):
            sealed_file.read(special)
    with pytest.raises(OSError, match="not saved: it exists and is not a regular file"):
        sealed_file.write(path, BODY)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_the_size_is_limited(path, monkeypatch):
    monkeypatch.setattr(sealed_file, "MAX_BYTES", 512 + len(BODY))
    sealed_file.write(path, BODY)
    assert body_of(path) == BODY
    with pytest.raises(ValueError, match=rf"not saved: {513 + len(BODY)} bytes, .* at most"):
        sealed_file.write(path, BODY + b"x")
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(OSError, match=r"cannot be read: .* bytes, at most"):
        sealed_file.read(path)


def test_a_sparse_terabyte_is_refused_before_it_is_read(path):
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="1099511627776 bytes, at most 2147483648"):
        sealed_file.read(path)


# Where it cannot write


@pytest.fixture
def users_folder():
    """A folder of an ordinary user, whom permissions bind even if root runs this test."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
            Path(name).chmod(0o700)
    finally:
        if root:
            os.seteuid(0)


@posix
def test_a_folder_that_is_not_writable_says_so(users_folder):
    path = users_folder / "model.h5"
    sealed_file.write(path, b"old")
    users_folder.chmod(0o555)
    with pytest.raises(PermissionError, match=r"not saved: Permission .* that you may write to"):
        sealed_file.write(path, BODY)
    assert body_of(path) == b"old"


@posix
def test_a_folder_that_may_be_written_but_not_listed_will_do(users_folder):
    users_folder.chmod(0o300)
    sealed_file.write(users_folder / "model.h5", BODY)
    assert body_of(users_folder / "model.h5") == BODY


@posix
def test_files_that_are_protected_are_left_alone(users_folder):
    path = users_folder / "model.h5"
    sealed_file.write(path, b"old")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="not saved: the file there is write-protected"):
        sealed_file.write(path, BODY)
    assert body_of(path) == b"old"
    path.chmod(0)
    with pytest.raises(PermissionError, match=r"cannot be read: Permission .*who may read it"):
        sealed_file.read(path)


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not saved: there is no folder .*nowhere"):
        sealed_file.write(tmp_path / "nowhere" / "model.h5", BODY)


FULL = """
import resource, sys
from tinygrad_dnn.storage import sealed_file
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    sealed_file.write(sys.argv[1], bytes(1_000_000))
except OSError as error:
    print(error)
"""


@posix
def test_a_write_that_stops_half_way_leaves_the_old_file(path):
    sealed_file.write(path, b"old")
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert "not saved: File too large; what was there is untouched. Free some space" in run.stdout
    assert body_of(path) == b"old"
    assert os.listdir(path.parent) == ["model.h5"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_the_old_file(path, monkeypatch, step, failure):
    def fail(*args):
        raise failure

    sealed_file.write(path, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(sealed_file.os, step, fail)
        with pytest.raises(type(failure)) as error:
            sealed_file.write(path, BODY)
    if isinstance(failure, OSError):
        assert "No space left; what was there is untouched. Free some space" in str(error.value)
        assert error.value.errno == errno.ENOSPC
    assert body_of(path) == b"old"
    assert os.listdir(path.parent) == ["model.h5"]


@posix
@pytest.mark.parametrize(("code", "refused"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_folder_that_cannot_be_synchronised(path, monkeypatch, code, refused):
    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, "no")

    monkeypatch.setattr(sealed_file.os, "fsync", fsync)
    if refused:
        with pytest.raises(OSError, match="the file is saved, but a power cut may undo it"):
            sealed_file.write(path, BODY)
    else:
        sealed_file.write(path, BODY)
    assert body_of(path) == BODY


@posix
def test_file_and_folder_are_synchronised_around_the_rename(path, monkeypatch):
    steps = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("folder" if folder else ("file", os.fstat(descriptor).st_size))
        real_fsync(descriptor)

    def replace(source, target):
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(sealed_file.os, "fsync", fsync)
    monkeypatch.setattr(sealed_file.os, "replace", replace)
    sealed_file.write(path, BODY)
    assert steps == [("file", 512 + len(BODY)), "rename", "folder"]


@posix
def test_permissions_follow_the_umask_and_then_the_file(path):
    old = os.umask(0o027)
    try:
        sealed_file.write(path, BODY)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        sealed_file.write(path, BODY)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(old)


@posix
def test_a_symbolic_link_stays_and_its_target_is_replaced(path, tmp_path):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "real.h5"
    path.symlink_to(target)
    for body in (b"first", BODY):
        sealed_file.write(path, body)
        assert path.is_symlink()
        assert body_of(target) == body
    assert os.listdir(tmp_path / "far") == ["real.h5"]


# What dead writers leave behind


def temporary(path, name="0123456789abcdef"):
    return path.with_name(f".{path.name}.{name}.tmp")


@posix
def test_only_what_dead_writers_left_under_this_name_is_swept(path):
    stale = temporary(path)
    others = [
        temporary(path.with_name("other.h5")),  # of another model
        path.with_name(".model.h5.backup.tmp"),  # not our pattern
        path.with_name(".model.h5.0123456789abcdef.tmp~"),
        path.with_name(".modelxh5.0123456789abcdef.tmp"),
    ]
    for file in (stale, *others):
        file.write_bytes(b"half")
    linked = temporary(path, "f" * 16)
    linked.symlink_to(others[0])
    sealed_file.write(path, BODY)
    assert not stale.exists()
    assert all(file.exists() for file in others)
    assert linked.is_symlink()


@posix
def test_the_temporary_file_of_a_live_writer_is_left_alone(path):
    import fcntl

    live = temporary(path)
    with live.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sealed_file.write(path, BODY)
        assert live.exists()
    sealed_file.write(path, BODY)  # it is closed: its writer is gone
    assert not live.exists()


@posix
def test_a_writer_is_locked_from_its_first_byte_to_the_rename(path, monkeypatch):
    """Another writer of the same file, at the worst moment, does not take the temporary file."""
    real_replace = os.replace

    def replace(source, target):
        monkeypatch.setattr(sealed_file.os, "replace", real_replace)
        sealed_file.write(path, b"the other")
        assert source.exists()
        real_replace(source, target)

    monkeypatch.setattr(sealed_file.os, "replace", replace)
    sealed_file.write(path, BODY)
    assert body_of(path) == BODY
    assert os.listdir(path.parent) == ["model.h5"]


@posix
def test_a_writer_whose_file_is_swept_before_it_is_locked_takes_another(path, monkeypatch):
    real_open = os.open
    swept = []

    def open_and_lose(name, flags, mode=0o777, **kwargs):
        descriptor = real_open(name, flags, mode, **kwargs)
        if flags & os.O_EXCL and not swept:
            swept.append(name)
            sealed_file._remove_if_dead(name)
        return descriptor

    monkeypatch.setattr(sealed_file.os, "open", open_and_lose)
    sealed_file.write(path, BODY)
    assert len(swept) == 1
    assert not swept[0].exists()
    assert body_of(path) == BODY
