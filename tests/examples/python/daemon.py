#!/usr/bin/python3
"""daemon.py - a small daemon that updates itself by spawning `moult run` and watching for 42.

room: tests: an example of a user's own program; no library, only a subprocess.
distrusts: the clients of its socket: it reads nothing from them.

Whoever connects to its Unix socket gets its version and a newline. It ends in order: with 0 at
SIGTERM or SIGINT, with 42 when an update is installed.

    daemon.py [-f moult.conf] [-m moult] SOCKET
"""

import argparse
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading

VERSION = "@VERSION@"  # put in by `make install`

EXIT_RESTART = 42
MEND_FIRST = (64, 77, 78)  # usage, permission, configuration: trying again would not help
STOP_S = 15


class Updates(threading.Thread):
    """Keeps `moult run` running; writes a byte to wake_fd when the daemon is to restart."""

    def __init__(self, command, wake_fd):
        super().__init__(daemon=True)
        self.command, self.wake_fd = command, wake_fd
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.process = None

    def spawn(self):
        with self.lock:
            if not self.stopping.is_set():
                self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
            return self.process

    def run(self):
        delay_s = 1
        while not self.stopping.is_set():
            try:
                status = self.spawn().wait()
            except OSError as error:
                print("no updates:", error, flush=True)
                return
            if status == EXIT_RESTART:
                os.write(self.wake_fd, b"u")
                return
            if status in MEND_FIRST:
                print("no updates: moult ended with", status, flush=True)
                return
            self.stopping.wait(delay_s)
            delay_s = min(2 * delay_s, 60)

    def stop(self):
        self.stopping.set()
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                return
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()


def listen_at(path):
    try:
        os.unlink(path)  # of an earlier life that did not end in order
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    listener.setblocking(False)
    return listener


def answer(listener):
    try:
        client, _ = listener.accept()
        with client:
            client.sendall((VERSION + "\n").encode())
    except OSError:
        pass  # the client has gone


def serve(listener, wake_fd):
    """Serves until it is to end; returns the exit status."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(wake_fd, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                answer(listener)
            else:
                return EXIT_RESTART if b"u" in os.read(wake_fd, 64) else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-f", dest="config", default="/etc/moult.conf")
    parser.add_argument("-m", dest="moult", default="moult")
    parser.add_argument("socket")
    args = parser.parse_args()

    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(wake_write, b"t"))
    listener = listen_at(args.socket)
    updates = Updates([args.moult, "run", "-f", args.config], wake_write)
    updates.start()
    print("daemon %s: serving" % VERSION, flush=True)
    status = serve(listener, wake_read)
    os.unlink(args.socket)
    updates.stop()
    print("daemon %s: ends with %d" % (VERSION, status), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
