"""The daemon under test: answers its version on a Unix socket, spawns the updater, exits 42 when that does.

usage: daemon.py MODE SOCKET VERSION_FILE LOG command...
MODE: obey   exit 42 when the command does; after any other end wait for the word "start" on stdin
      again  as obey, but after any other end start the command again by itself
      deaf   never exit because of the command
Tells what happens on stdout, a JSON object a line. The end of stdin, or SIGTERM, ends it.
"""

import json
import os
import select
import signal
import socket
import sys


def tell(**event):
    os.write(1, json.dumps(event).encode() + b"\n")


def spawn(argv, log):
    null = os.open("/dev/null", os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setsigmask=[])
    os.close(null)
    os.close(out)
    tell(event="pair", pid=pid)
    return pid, os.pidfd_open(pid)


def listen(path):
    if os.path.exists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    return server


def main():
    mode, address, version_file, log = sys.argv[1:5]
    argv = sys.argv[5:]
    with open(version_file, "rb") as f:
        version = f.read()
    server = listen(address)
    terminated, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda *_: None)
    tell(event="daemon", pid=os.getpid(), version=version.decode().strip())
    pid, pidfd = spawn(argv, log)
    while True:
        ready, _, _ = select.select([server, 0, terminated] + ([pidfd] if pid else []), [], [])
        if server in ready:
            peer, _ = server.accept()
            peer.sendall(version)
            peer.close()
        if pid and pidfd in ready:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(pidfd)
            pid = 0
            tell(event="ended", code=code)
            if code == 42 and mode != "deaf":
                return 42
            if mode == "again":
                pid, pidfd = spawn(argv, log)
        if 0 in ready or terminated in ready:
            word = os.read(0, 64) if 0 in ready else b""
            if word == b"start\n" and not pid:
                pid, pidfd = spawn(argv, log)
            elif not word:
                break
    if pid:
        os.kill(pid, signal.SIGTERM)
        select.select([pidfd], [], [], 20)
        if not select.select([pidfd], [], [], 0)[0]:
            os.kill(pid, signal.SIGKILL)
        tell(event="ended", code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return 0


sys.exit(main())
