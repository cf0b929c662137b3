"""Waiting for what happens: processes that end, files that change; always with a deadline, never by sleeping."""

import ctypes
import os
import select
import signal
import time

DEADLINE_S = float(os.environ.get("MOULT_TEST_DEADLINE", "30"))

PR_SET_CHILD_SUBREAPER = 36
IN_ANY = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC

libc = ctypes.CDLL(None, use_errno=True)


class Late(AssertionError):
    """What was waited for did not happen in time."""


class Deadline:
    def __init__(self, seconds=None):
        self.seconds = DEADLINE_S if seconds is None else seconds
        self.end = time.monotonic() + self.seconds

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def check(self, what):
        if self.left() == 0:
            raise Late(f"not within {self.seconds:g} s: {what}")


class Watch:
    """inotify on directories (and files): wait() returns at the next change, or when the time is over."""

    def __init__(self, *paths):
        self.fd = libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        for path in paths:
            libc.inotify_add_watch(self.fd, os.fsencode(path), IN_ANY)

    def wait(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if ready:
            os.read(self.fd, 65536)
        return bool(ready)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


def wait_until(predicate, watched, what, seconds=None):
    """The first true value of predicate, looked at again whenever one of the watched paths changes.

    What no path tells (a process has come) is looked at 20 times a second: watched is then empty.
    """
    deadline = Deadline(seconds)
    with Watch(*watched) as watch:
        while True:
            value = predicate()
            if value:
                return value
            deadline.check(what)
            watch.wait(deadline.left() if watched else min(deadline.left(), 0.05))


def become_subreaper():
    """Orphans of this process's descendants become its own children, so that none is lost sight of."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def stat_fields(pid):
    """The fields of /proc/PID/stat from the state on, or None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b") ")[2].split()
    except OSError:
        return None


def is_alive(pid):
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in (b"Z", b"X")


def parent_of(pid):
    fields = stat_fields(pid)
    return int(fields[1]) if fields else 0


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(pid):
    """Every living process below pid, found by one look at the whole table."""
    children = {}
    for each in all_pids():
        children.setdefault(parent_of(each), []).append(each)
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            todo.append(child)
            if is_alive(child):
                found.append(child)
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def find_descendant(pid, name):
    """The first living process below pid whose program has that name, or None."""
    return next((each for each in descendants(pid) if name_of(each) == name), None)


def wait_gone(pid, seconds=None):
    """Waits until the process pid has ended (a zombie has ended)."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll((DEADLINE_S if seconds is None else seconds) * 1000):
            raise Late(f"process {pid} ({command_of(pid)}) has not ended")
    finally:
        os.close(fd)


def end(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def reap(pid):
    """Collects pid when it is an ended child of ours that nobody else waits for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
