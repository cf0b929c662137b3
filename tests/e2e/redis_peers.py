"""Redis as the tests see it: a real redis-server on a socket of its own, a small client, and a peer that lies."""

import os
import socket
import subprocess
import threading
import time

from events import Deadline, Late, wait_until


class RedisError(Exception):
    pass


class Client:
    """Just enough of RESP2: commands as lists of strings, answers as Python values."""

    def __init__(self, address, password=None, seconds=5):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(address)
        self.reader = self.socket.makefile("rb")
        if password:
            self.call("AUTH", password)

    def send(self, *words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(data), data)
        self.socket.sendall(out)

    def answer(self):
        line = self.reader.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.reader.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == b"-1" else [self.answer() for _ in range(int(rest))]
        raise RedisError(f"not an answer: {line!r}")

    def call(self, *words, seconds=5):
        self.socket.settimeout(seconds)
        self.send(*words)
        return self.answer()

    def close(self):
        self.reader.close()
        self.socket.close()


class RedisServer:
    """A redis-server of the world's own. port=0: on a Unix socket alone."""

    def __init__(self, directory, *options, tcp=False):
        self.directory = directory
        self.path = os.path.join(directory, "redis.sock")
        self.options = options
        self.tcp = tcp
        self.port = 0
        self.process = None
        self.clients = []

    def start(self):
        for _ in range(5):
            if self.tcp and not self.port:
                with socket.socket() as s:
                    s.bind(("127.0.0.1", 0))
                    self.port = s.getsockname()[1]
            if self._try():
                return self
            self.port = 0
        raise AssertionError("redis-server does not start: " + open(self._log()).read())

    def _log(self):
        return os.path.join(self.directory, "redis.log")

    def _try(self):
        argv = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path]
        argv += ["--unixsocketperm", "777", "--save", "", "--appendonly", "no", "--daemonize", "no"]
        argv += ["--dir", self.directory, "--logfile", self._log(), *self.options]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path) or self.process.poll() is not None,
                   [self.directory], "redis-server listening")
        return self._ready()

    def _ready(self):
        deadline = Deadline()
        while self.process.poll() is None:
            try:
                client = Client(self.path)
            except OSError:
                deadline.check("redis-server accepting")
                time.sleep(0.005)
                continue
            client.close()
            return True
        return False

    def client(self, password=None):
        client = Client(self.path, password)
        self.clients.append(client)
        return client

    def stop(self):
        for client in self.clients:
            client.close()
        self.clients = []
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
        if os.path.exists(self.path):
            os.unlink(self.path)


OK = b"+OK\r\n"


class FakeRedis:
    """A peer that speaks RESP in a way of its own.

    behave(connection, words) -> bytes to answer, or None to close. Everything received is kept in .commands.
    on_accept(connection) -> bytes or None is called first.
    """

    def __init__(self, directory, behave, on_accept=None, drip_s=0.0, receive=True):
        self.path = os.path.join(directory, "fake.sock")
        self.behave = behave
        self.on_accept = on_accept
        self.drip_s = drip_s
        self.receive = receive
        self.commands = []
        self.accepted = 0
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.connections = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        os.chmod(self.path, 0o777)  # the monitor may be another user
        self.server.listen(64)
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with self.changed:
                self.accepted += 1
                self.connections.append(connection)
                self.changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _say(self, connection, data):
        if not self.drip_s:
            connection.sendall(data)
            return
        for i in range(len(data)):
            connection.sendall(data[i:i + 1])
            if self.closing.wait(self.drip_s):
                return

    def _serve(self, connection):
        try:
            if self.on_accept:
                data = self.on_accept(connection)
                if data is None:
                    connection.close()
                    return
                self._say(connection, data)
            if not self.receive:
                self.closing.wait()
                return
            reader = connection.makefile("rb")
            while True:
                words = self._command(reader)
                if words is None:
                    return
                with self.changed:
                    self.commands.append(words)
                    self.changed.notify_all()
                answer = self.behave(connection, words)
                if answer is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                self._say(connection, answer)
        except (OSError, ValueError):
            return
        finally:
            connection.close()

    @staticmethod
    def _command(reader):
        line = reader.readline()
        if not line.startswith(b"*"):
            return None
        words = []
        for _ in range(int(line[1:])):
            size = int(reader.readline()[1:])
            words.append(reader.read(size + 2)[:-2].decode("utf-8", "replace"))
        return words

    def wait(self, predicate, what, seconds=None):
        deadline = Deadline(seconds)
        with self.changed:
            while not predicate(self):
                deadline.check(what)
                self.changed.wait(deadline.left())

    def stop(self):
        self.closing.set()
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        for thread in self.threads:
            thread.join(5)
            if thread.is_alive():
                raise Late("a thread of the lying Redis has not ended")
        if os.path.exists(self.path):
            os.unlink(self.path)


class HonestAnswers:
    """Answers as a healthy Redis would, command by command; the base of the lies."""

    def __init__(self):
        self.queued = {}

    def __call__(self, connection, words):
        verb = words[0].upper()
        if verb == "MULTI":
            self.queued[connection] = []
            return OK
        if verb == "EXEC":
            count = len(self.queued.pop(connection, []))
            return b"*%d\r\n" % count + b":1\r\n" * count
        if connection in self.queued:
            self.queued[connection].append(words)
            return b"+QUEUED\r\n"
        return b"+PONG\r\n" if verb == "PING" else OK
