"""What Windows does otherwise, put on top of Linux: what it lacks is taken away, what it forbids fails.

- no `os.fork`, `os.pread`, `os.O_DIRECTORY`, `os.sched_getaffinity`, no signal masks, no `fcntl`;
- a file that this process has open or mapped can be neither removed nor replaced;
- a folder cannot be opened; only a file open for writing can be brought to the disk;
- locks are of bytes, by `msvcrt`, and what is locked cannot be read;
- standard output knows the letters of one code page.

Open files are told from /proc, which the rest of the process does not look at.
"""

import errno
import os
import signal
import sys
import types

_MISSING = {
    os: ("fork", "forkpty", "pread", "preadv", "O_DIRECTORY", "sched_getaffinity"),
    signal: ("pthread_sigmask",),
}


def _refused(path, number, code, text):
    error = PermissionError(number, text, path)
    error.winerror = code
    return error


def _held(path, folder=None):
    """Whether this process has the file open, or mapped into memory."""
    if folder is not None:
        path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fspath(path))
    path = os.path.realpath(os.fspath(path))
    if not os.path.isfile(path):
        return False
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == path:
                return True
        except OSError:
            continue
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        return any(line.rstrip("\n").endswith(path) for line in file)


def pretend():
    """Change this process, for good."""
    import fcntl
    import multiprocessing.connection
    import shutil
    import subprocess  # they look for msvcrt to know where they are, and would not work with half a Windows
    import tempfile

    own = {module.__file__ for module in (multiprocessing.connection, shutil, subprocess, tempfile)}
    real_open, real_fsync = os.open, os.fsync

    def removing(function):
        def refuse_held(path, *args, dir_fd=None, **options):
            if _held(path, dir_fd):
                raise _refused(path, errno.EACCES, 32, "The file is being used by another process")
            return function(path, *args, dir_fd=dir_fd, **options)

        return refuse_held

    def moving(function):
        def refuse_held(source, target, **options):
            for path in (source, target):
                if _held(path):
                    raise _refused(path, errno.EACCES, 32, "The file is being used by another process")
            return function(source, target, **options)

        return refuse_held

    def open_no_folder(path, flags, *args, **options):
        if sys._getframe(1).f_code.co_filename not in own and os.path.isdir(path):
            raise _refused(path, errno.EACCES, None, "Permission denied")
        return real_open(path, flags, *args, **options)

    def sync_written(descriptor):
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        real_fsync(descriptor)

    def locking(descriptor, _mode, count):
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
        if start < os.fstat(descriptor).st_size or start < 1 << 20:
            raise AssertionError("bytes that are read would be locked, and reading them would fail")
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, count, start)

    msvcrt = types.ModuleType("msvcrt")
    msvcrt.locking, msvcrt.LK_NBLCK = locking, 2
    for module, names in _MISSING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    os.unlink, os.remove = removing(os.unlink), removing(os.remove)
    os.replace, os.rename = moving(os.replace), moving(os.rename)
    os.open, os.fsync = open_no_folder, sync_written
    sys.modules["fcntl"] = None
    sys.modules["msvcrt"] = msvcrt
    sys.stdout.reconfigure(encoding="cp1252", newline="\r\n")
