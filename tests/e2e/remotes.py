"""Real remotes on loopback: git daemon, ssh and http(s), each behind a small server that can hold a connection back."""

import getpass
import http.server
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import threading

from events import Deadline

GIT_CORE = "/usr/lib/git-core"


class Remote:
    """Common to all: a listening socket on a port of the kernel's choice, threads, and a way to hold clients back."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.changed = threading.Condition()
        self.accepted = 0
        self.held = False
        self.released = threading.Event()
        self.processes = []
        self.connections = []
        self.closing = False
        self.thread = threading.Thread(target=self._accept, daemon=True)

    def hold(self):
        """From now on connections are accepted and then left in silence, until release()."""
        self.released.clear()
        self.held = True

    def release(self):
        self.held = False
        self.released.set()

    def wait_connections(self, count, seconds=None):
        deadline = Deadline(seconds)
        with self.changed:
            while self.accepted < count:
                deadline.check(f"connection {count} to the remote")
                self.changed.wait(deadline.left())

    def _came(self, connection):
        with self.changed:
            self.accepted += 1
            self.connections.append(connection)
            self.changed.notify_all()
        if self.held:
            self.released.wait()

    def _accept(self):
        while not self.closing:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        self._came(connection)
        if not self.closing:
            with self.changed:
                process = subprocess.Popen(self.command(), stdin=connection, stdout=connection, env=self.env,
                                           stderr=subprocess.DEVNULL, start_new_session=True)
                self.processes.append(process)
            connection.close()
            process.wait()

    def stop(self):
        self.closing = True
        self.release()
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()
        with self.changed:
            for process in self.processes:
                if process.poll() is None:
                    process.kill()
            for process in self.processes:
                process.wait()
        for connection in self.connections:
            connection.close()


class GitDaemon(Remote):
    def __init__(self, world):
        super().__init__()
        self.env = world.env
        self.base = world.root
        self.url = f"git://127.0.0.1:{self.port}/remote.git"
        self.thread.start()

    def command(self):
        return ["git", "daemon", "--inetd", "--export-all", "--base-path=" + self.base, self.base]


class Ssh(Remote):
    """sshd -i for each connection, with a host key, a user key and a configuration of its own."""

    def __init__(self, world):
        super().__init__()
        self.env = world.env
        self.directory = os.path.join(world.root, "ssh")
        os.mkdir(self.directory, 0o755)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._path(name)], check=True)
        shutil.copy(self._path("user.pub"), self._path("authorized"))
        with open(self._path("host.pub")) as f:
            host_key = " ".join(f.read().split()[:2])
        self.key = self._path("user")
        world.give(self.key)  # whoever fetches must own it: ssh refuses one that others may read
        self.known_hosts = self._path("known_hosts")
        with open(self.known_hosts, "w") as f:
            f.write(f"[127.0.0.1]:{self.port} {host_key}\n")
        with open(self._path("sshd_config"), "w") as f:
            f.write(f"HostKey {self._path('host')}\nAuthorizedKeysFile {self._path('authorized')}\n"
                    "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                    "PermitRootLogin prohibit-password\nPidFile none\nPermitUserEnvironment no\nPrintMotd no\n"
                    "AcceptEnv GIT_PROTOCOL\nX11Forwarding no\nLogLevel DEBUG1\n")
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.url = f"ssh://{self.user}@127.0.0.1:{self.port}{world.remote}"
        self.thread.start()

    def _path(self, name):
        return os.path.join(self.directory, name)

    def command(self):
        sshd = ["/usr/sbin/sshd", "-i", "-f", self._path("sshd_config"), "-E", self._path("log")]
        if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
            script = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"'
            return ["unshare", "--mount", "sh", "-c", script, "sh", *sshd]
        return sshd

    @staticmethod
    def why_not():
        """Why this user cannot be logged in as, or None."""
        shell = pwd.getpwuid(os.geteuid()).pw_shell
        return f"the shell of {getpass.getuser()} is {shell}" if "nologin" in shell or "false" in shell else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._run(b"")

    def do_POST(self):
        self._run(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _run(self, body):
        remote = self.server.remote
        remote.requests.append(self.path)
        if remote.before and not remote.before(self):
            return
        path, _, query = self.path.partition("?")
        env = {**remote.env, "GIT_PROJECT_ROOT": remote.base, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
               "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
               "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        done = subprocess.run([os.path.join(GIT_CORE, "git-http-backend")], input=body, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        status, rows = 200, []
        for row in head.decode().split("\r\n"):
            name, _, value = row.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            elif name:
                rows.append((name, value))
        self.send_response(status)
        for name, value in rows:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Http(Remote):
    """git http-backend behind Python's server. before(handler) may answer itself and return False."""

    def __init__(self, world, tls=False, before=None):
        super().__init__()
        self.env = world.env
        self.base = world.root
        self.requests = []
        self.before = before
        self.remote = self
        self.context = None
        if tls:
            self._certificate(world)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/remote.git"
        self.thread.start()

    def _certificate(self, world):
        self.ca_file = os.path.join(world.root, "ca.pem")
        key = os.path.join(world.root, "ca.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", self.ca_file, "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.ca_file, key)

    def _serve(self, connection):
        self._came(connection)
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
            Handler(connection, ("127.0.0.1", 0), self)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def command(self):
        raise NotImplementedError
