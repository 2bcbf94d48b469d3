"""Model files as bytes: whole and right, or refused; old or new, never half of one.

A sealed file is a user block of 512 bytes followed by the body, an HDF5 file that this module never
looks into. The user block is text, so that ``head -n 3 model.h5`` shows it::

    tinygrad_dnn model, format 1
    sha256 <64 hexadecimal digits>
    length <bytes of the body>

and line feeds up to byte 512. The SHA-256 is that of the first line (with its line feed) followed
by the body: ``(head -n 1 model.h5; tail -c +513 model.h5) | sha256sum`` gives the same digits. Any
HDF5 tool opens the file as it stands, because HDF5 looks for its signature at byte 512 too.

The seal finds accidents: a flipped bit, a lost tail. It is no signature: whoever edits a file on
purpose can seal it again.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path

from tinygrad_dnn.storage import platform

FORMAT = 2
USER_BLOCK = 512
MAX_BYTES = 2**31
"""Largest file written or read, user block included: 2 GiB, some 250 million float64 parameters."""

_FIRST_LINE = re.compile(rb"tinygrad_dnn model, format ([1-9][0-9]{0,5})\n")
_SEAL = re.compile(
    _FIRST_LINE.pattern + rb"sha256 ([0-9a-f]{64})\nlength (0|[1-9][0-9]{0,11})\n\n*"
)
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What a file system that cannot synchronise a folder, or will not open one to us, answers.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM}


def write(path: str | os.PathLike[str], body: bytes | memoryview) -> None:
    """Seal ``body`` and put it at ``path``; a crash at any instant leaves the old or the new file.

    The bytes go to a temporary file in the same folder, are synchronised to the disk, and take
    the name in one step; then the folder is synchronised. An existing file keeps its permissions;
    where ``path`` is a symbolic link the file it points to is replaced. What writers that died
    left behind under this name is removed first (a live writer holds a lock on its temporary file;
    on Windows, which has no such lock, nothing is removed).

    Raises:
        ValueError: sealed, the body would exceed MAX_BYTES.
        OSError: the folder is missing or not writable, the path is not a regular file, the disk is
            full. What stood at ``path`` is untouched.
    """
    name = os.fsdecode(path)
    if USER_BLOCK + len(body) > MAX_BYTES:
        raise ValueError(
            f"{name}: not saved: {USER_BLOCK + len(body)} bytes, "
            f"a model file holds at most {MAX_BYTES}"
        )
    try:
        target = Path(os.path.realpath(name))
        permissions = _permissions_of_replaceable(target)
        _sweep(target)
        _replace(target, permissions, _seal(FORMAT, body), body)
    except OSError as error:
        raise _reworded(
            error,
            f"{name}: not saved: {error.strerror}; what was there is untouched. {_remedy(error)}",
        ) from error
    _synchronise_folder(target.parent)


def require_replaceable(path: str | os.PathLike[str]) -> None:
    """Raise what `write` would raise for the file and the folder there, before there is a body.

    Raises:
        OSError: the folder is missing, the path is not a regular file or is write-protected.
    """
    name = os.fsdecode(path)
    try:
        _permissions_of_replaceable(Path(os.path.realpath(name)))
    except OSError as error:
        raise _reworded(
            error, f"{name}: can't be saved to: {error.strerror}. {_remedy(error)}"
        ) from error


def read(path: str | os.PathLike[str]) -> bytes:
    """The verified bytes of a sealed file, user block included.

    The file is read once, and what is verified is what is returned.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read, is not a model file, is truncated or damaged, is larger than
            MAX_BYTES, or was written in a newer format.
    """
    name = os.fsdecode(path)
    try:
        # A named pipe would make a blocking open wait for ever.
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            if status.st_size > MAX_BYTES:
                raise OSError(errno.EFBIG, f"{status.st_size} bytes, at most {MAX_BYTES} are read")
            image = file.read(status.st_size)
    except FileNotFoundError as error:
        raise _reworded(
            error, f"{name}: no such file: check the path, or train a model first"
        ) from error
    except IsADirectoryError as error:
        raise _reworded(error, f"{name}: is a folder: name the model file in it") from error
    except OSError as error:
        raise _reworded(
            error,
            f"{name}: cannot be read: {error.strerror}: check what it is and who may read it",
        ) from error
    fault = _fault(image)
    if fault:
        raise OSError(f"{name}: {fault}")
    return image


def _seal(version: int, body: bytes | memoryview) -> bytes:
    first_line = b"tinygrad_dnn model, format %d\n" % version
    digest = _digest(first_line, body).encode("ascii")
    seal = first_line + b"sha256 %s\nlength %d\n" % (digest, len(body))
    return seal.ljust(USER_BLOCK, b"\n")


def _digest(first_line: bytes, body: bytes | memoryview) -> str:
    sha256 = hashlib.sha256(first_line)
    sha256.update(body)
    return sha256.hexdigest()


def _fault(image: bytes) -> str:
    """Return the fault in the bytes of a file and what to do, or nothing."""
    if not image:
        return "is empty, expected a tinygrad_dnn model: restore a copy, or train anew"
    user_block, body = image[:USER_BLOCK], memoryview(image)[USER_BLOCK:]
    first_line = _FIRST_LINE.match(user_block)
    if not first_line:
        if bytes(body[: len(_HDF5_SIGNATURE)]) == _HDF5_SIGNATURE:
            return (
                "an HDF5 file that is not a tinygrad_dnn model, or one damaged in its first "
                f"{USER_BLOCK} bytes: restore a copy"
            )
        kind = "an HDF5 file, but " if image.startswith(_HDF5_SIGNATURE) else ""
        return f"{kind}not a tinygrad_dnn model: name a file that tinygrad_dnn saved"
    if len(image) < USER_BLOCK:
        return f"truncated to {len(image)} bytes: restore a copy"
    seal = _SEAL.fullmatch(user_block)
    if not seal:
        return f"damaged in its first {USER_BLOCK} bytes: restore a copy"
    length = int(seal[3])
    if len(body) != length:
        what = "truncated" if len(body) < length else "damaged: something was appended to it"
        return f"{what}: expected {length + USER_BLOCK} bytes, got {len(image)}: restore a copy"
    if _digest(first_line[0], body) != seal[2].decode("ascii"):
        return (
            "damaged, or changed by another program: its bytes do not match the SHA-256 written "
            "with them: restore a copy"
        )
    if int(seal[1]) > FORMAT:
        return (
            f"a newer tinygrad_dnn wrote it (format {int(seal[1])}; this one reads up to "
            f"{FORMAT}): update tinygrad_dnn"
        )
    return ""


def _permissions_of_replaceable(target: Path) -> int | None:
    """The permission bits of the file to be replaced; None where there is none."""
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):  # renaming over /dev/null would remove the device
        raise OSError(errno.EINVAL, "it exists and is not a regular file")
    if not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, "the file there is write-protected")
    return stat.S_IMODE(mode)


def _replace(target: Path, permissions: int | None, seal: bytes, body: bytes | memoryview) -> None:
    descriptor, temporary = _open_temporary(target)
    try:
        with open(descriptor, "wb") as file:
            file.write(seal)
            file.write(body)
            file.flush()
            os.fsync(descriptor)
            if permissions is not None:
                temporary.chmod(permissions)
            if not platform.OPEN_FILES_MOVE:
                file.close()
            os.replace(temporary, target)  # while the lock still keeps sweepers away
    except BaseException:
        with contextlib.suppress(OSError):  # the error under way says more
            temporary.unlink()
        raise


def _open_temporary(target: Path) -> tuple[int, Path]:
    """A new file beside ``target``, locked for as long as its descriptor is open."""
    while True:
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | platform.BINARY
        descriptor = os.open(temporary, flags, 0o666)
        with contextlib.suppress(OSError):  # without locks no sweeper removes anything
            platform.lock(descriptor)
        if not platform.LOCKS or os.fstat(descriptor).st_nlink:
            return descriptor, temporary
        os.close(descriptor)  # a sweeper was faster than our lock: take another name


def _sweep(target: Path) -> None:
    """Remove the temporary files of writers of ``target`` that died."""
    if not platform.LOCKS:
        return
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}\.tmp")
    with contextlib.suppress(OSError):  # a folder may be writable and not listable
        for name in os.listdir(target.parent):
            if ours.fullmatch(name):
                _remove_if_dead(target.with_name(name))


def _remove_if_dead(temporary: Path) -> None:
    with contextlib.suppress(OSError):  # in use (its writer lives), gone already, or not ours
        descriptor = os.open(temporary, os.O_RDWR | platform.NO_LINKS | platform.NO_WAITING)
        try:
            platform.lock(descriptor, wait=False)
            temporary.unlink()
        finally:
            os.close(descriptor)


def _synchronise_folder(folder: Path) -> None:
    """Make the new name survive a power cut, or say why it may not."""
    try:
        platform.synchronise_folder(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise _reworded(
                error,
                f"{folder}: the file is saved, but a power cut may undo it: {error.strerror}: "
                f"check the disk",
            ) from error


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | platform.NO_WAITING)


def _remedy(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return "Free some space, or choose another folder."
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "Choose a folder that you may write to, or change its permissions."
    return "Choose another path."


def _reworded(error: OSError, message: str) -> OSError:
    """The same kind of error with the same ``errno``, in words for people."""
    reworded = type(error)(message)
    reworded.errno = error.errno
    return reworded
