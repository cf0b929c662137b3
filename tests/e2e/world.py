"""A world for one test: a remote, a clone at v1.0.0, a configuration, a Redis, a supervised daemon, and an end to it all."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import events
from events import Deadline, Late, wait_until
from redis_peers import RedisServer

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("MOULT_TEST_BUILD", os.path.join(TOP, "build")))
PYTHON = "/usr/bin/python3"
IS_ROOT = os.geteuid() == 0
# Started as root the pair becomes two users, and neither is root: the checkout's owner and nobody.
DEPLOY = pwd.getpwnam("www-data") if IS_ROOT else pwd.getpwuid(os.geteuid())
MONITOR = pwd.getpwnam("nobody") if IS_ROOT else DEPLOY
COMPUTER = "pc-7"
WORDS = ["checking", "updating", "migrating", "installing", "restarting", "deployed", "update_failed"]

MAKEFILE = """\
install:
\tcp VERSION {prefix}/VERSION.new
\tmv {prefix}/VERSION.new {prefix}/VERSION
\techo install `cat VERSION` >> {trace}
"""


class Gate:
    """A place in a step where it tells that it has come, and waits until the test lets it go on."""

    def __init__(self, directory, name):
        self.name = name
        self.at = os.path.join(directory, name + ".at")
        self.go = os.path.join(directory, name + ".go")
        for path in (self.at, self.go):
            os.mkfifo(path, 0o600)
        self.at_fd = os.open(self.at, os.O_RDWR | os.O_CLOEXEC)
        self.go_fd = os.open(self.go, os.O_RDWR | os.O_CLOEXEC)

    @property
    def python(self):
        return (f"import os as _os\n_os.write(_os.open({self.at!r}, 1), b'%d\\n' % _os.getpid())\n"
                f"_os.read(_os.open({self.go!r}, 0), 1)\n")

    @property
    def shell(self):
        return f"echo $$ > {self.at}; read -r x < {self.go}"

    def wait(self, seconds=None):
        """The pid of the process that has come."""
        deadline = Deadline(seconds)
        os.set_blocking(self.at_fd, False)
        line = b""
        while not line.endswith(b"\n"):
            deadline.check(f"a step comes to the gate {self.name}")
            if events.select.select([self.at_fd], [], [], deadline.left())[0]:
                line += os.read(self.at_fd, 64)
        return int(line.split()[-1])

    def open(self):
        os.write(self.go_fd, b"\n")

    def leave_open(self):
        """Lets this one and the next ones go on: for steps that run again after a kill."""
        os.write(self.go_fd, b"\n" * 64)

    def close(self):
        os.close(self.at_fd)
        os.close(self.go_fd)


class Supervisor(threading.Thread):
    """What a service manager does: runs the daemon, starts it again after 42, remembers every exit."""

    def __init__(self, world, mode="obey", command=None, restarts=True):
        super().__init__(daemon=True)
        self.world = world
        self.mode = mode
        self.command = command or [world.moult, "run", "-f", world.conf]
        self.restarts = restarts
        self.changed = threading.Condition()
        self.daemon_codes = []
        self.pair_codes = []
        self.pairs = []
        self.daemons = []
        self.versions = []
        self.process = None
        self.ending = False
        self.start()
        self.wait(lambda: self.pairs or self.ended, "the daemon starts")

    @property
    def ended(self):
        return not self.is_alive()

    def run(self):
        while True:
            argv = [PYTHON, "-ISE", os.path.join(HERE, "daemon.py"), self.mode, self.world.address,
                    os.path.join(self.world.prefix, "VERSION"), self.world.log, *self.command]
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=self.world.errors, env=self.world.env, cwd="/")
            with self.changed:
                self.process = process
                if self.ending:
                    process.stdin.close()
            for line in process.stdout:
                self._heard(json.loads(line))
            process.wait()
            process.stdout.close()
            with self.changed:
                self.daemon_codes.append(process.returncode)
                again = process.returncode == 42 and self.restarts and not self.ending
                self.changed.notify_all()
                process.stdin.close()
            if not again:
                break
        with self.changed:
            self.changed.notify_all()

    def _heard(self, event):
        with self.changed:
            if event["event"] == "daemon":
                self.daemons.append(event["pid"])
                self.versions.append(event["version"])
            elif event["event"] == "pair":
                self.pairs.append(event["pid"])
            else:
                self.pair_codes.append(event["code"])
            self.changed.notify_all()

    def wait(self, predicate, what, seconds=None, look_s=None):
        """Waits for what this supervisor hears; with look_s, for what must be looked at now and then as well."""
        deadline = Deadline(seconds)
        with self.changed:
            while not predicate():
                deadline.check(what)
                self.changed.wait(min(deadline.left(), look_s or (0.5 if self.ended else deadline.left())))

    @property
    def monitor(self):
        return self.pairs[-1]

    @property
    def daemon_pid(self):
        return self.daemons[-1]

    def wait_pair_code(self, count=1, seconds=None):
        """The exit status of the count-th pair."""
        self.wait(lambda: len(self.pair_codes) >= count, f"pair {count} ends", seconds)
        return self.pair_codes[count - 1]

    def wait_restart(self, count=1, seconds=None):
        """Waits until the daemon has been restarted count times through exit 42."""
        def restarted():
            assert not self.is_idle(), f"no restart: the pair ended with {self.pair_codes[-1]}"
            return len(self.daemons) > count and len(self.pairs) > count
        self.wait(restarted, f"restart {count} of the daemon", seconds)

    def is_idle(self):
        """Whether the last pair has ended and nothing will start another by itself."""
        return (self.mode == "obey" and len(self.pair_codes) == len(self.pairs) > 0
                and self.pair_codes[-1] != 42 and not self.ending)

    def start_pair(self):
        """Tells a daemon whose pair has ended to start another."""
        count = len(self.pairs)
        self.process.stdin.write(b"start\n")
        self.process.stdin.flush()
        self.wait(lambda: len(self.pairs) > count, "another pair starts")

    def stop(self, seconds=25):
        with self.changed:
            self.ending = True
            process = self.process
            process.stdin.close()
        self.join(seconds)
        if self.is_alive():
            for pid in [process.pid, *events.descendants(process.pid)]:
                events.end(pid)
            self.join(5)
            raise Late("the daemon did not end in time")

    def kill(self):
        """The whole service at once, as a power cut or a cgroup kill does it."""
        self.ending = True
        pid = self.process.pid
        family = [pid, *events.descendants(pid)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for each in family:
                events.end(each, number)
        for each in family:
            events.wait_gone(each)
        self.join(10)


class World:
    def __init__(self, redis=True):
        self.root = tempfile.mkdtemp(prefix="mo-")
        os.chmod(self.root, 0o755)
        self.remote = self._dir("remote.git")
        self.repo = os.path.join(self.root, "repo")
        self.prefix = self._dir("prefix")
        self.state = self._dir("state", 0o700)
        self.signals = self._dir("signal")
        self.signal = os.path.join(self.signals, "update_available.json")
        self.home = self._dir("home")
        self.work = self._dir("work")
        self.trace_file = os.path.join(self.root, "trace")
        self.log = os.path.join(self.root, "pair.log")
        self.conf = os.path.join(self.root, "moult.conf")
        self.address = os.path.join(self.root, "daemon.sock")
        self.status_file = os.path.join(self.state, "monitor", "status.json")
        self.key = f"system_status:{COMPUTER}:deploy"
        self.stream = "{" + self.key + "}:log"
        self.bin = BUILD
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME": self.home, "LANG": "C.UTF-8",
                    "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1", "MOULT_TEST_WORLD": self.root}
        self.errors = open(os.path.join(self.root, "daemon.log"), "ab")
        self.oids = {}
        self.tips = {}
        self.tree = {}
        self.releases = 0
        self.gates = []
        self.peers = []
        self.supervisors = []
        self.seen = []
        self.cursor = "0-0"
        self.untidy_is_right = False
        self.settings = {}
        with open(os.path.join(self.home, ".gitconfig"), "w") as f:
            f.write("[safe]\n\tdirectory = *\n")  # the remote is another owner's; moult does not read this file
        open(self.log, "ab").close()
        open(self.trace_file, "ab").close()
        for path in (self.prefix, self.state, self.signals, self.work, self.trace_file):
            self.give(path)
        self._first_version()
        self.redis = None
        if redis:
            self.redis = self.peer(RedisServer(self.root).start())
            self.reading = self.redis.client()
            self.configure(f"redis.url=unix://{self.redis.path}")
        else:
            self.configure()

    # ---- making things

    def _dir(self, name, mode=0o755):
        path = os.path.join(self.root, name)
        os.mkdir(path)
        os.chmod(path, mode)
        return path

    @staticmethod
    def give(path):
        """Makes path and what is below it the deploy user's, as if it had made all of it itself."""
        for directory, names, files in os.walk(path):
            for each in [directory, *(os.path.join(directory, name) for name in names + files)]:
                World._give_one(each)
        World._give_one(path)

    @staticmethod
    def _give_one(path):
        if os.lstat(path).st_uid != DEPLOY.pw_uid:
            os.lchown(path, DEPLOY.pw_uid, DEPLOY.pw_gid)

    @property
    def moult(self):
        return os.path.join(self.bin, "moult")

    def peer(self, thing):
        """Something with stop() that is to be stopped at the end, the last one first."""
        self.peers.append(thing)
        return thing

    def as_owner(self, path):
        """Arguments of subprocess by which root runs a program as whoever owns path."""
        st = os.stat(path)
        same = st.st_uid == os.geteuid()
        return {} if same else {"user": st.st_uid, "group": st.st_gid, "extra_groups": []}

    def git(self, *args, cwd=None, check=True, data=None):
        """git as whoever owns the directory it runs in: the checkout's owner there, the remote's in the remote."""
        cwd = cwd or self.repo
        done = subprocess.run(["git", *args], cwd=cwd, env=self.env, input=data, **self.as_owner(cwd),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"git {' '.join(args)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def _first_version(self):
        self.git("init", "-q", "--bare", "--template=", "-b", "main", self.remote, cwd=self.root)
        self.put("Makefile", MAKEFILE.format(prefix=self.prefix, trace=self.trace_file))
        self.put("src/program.txt", "program\n")
        self.release("1.0.0")
        self.clone()
        self.git("config", "user.name", "Tester")
        self.git("config", "user.email", "tester@example.invalid")
        with open(os.path.join(self.prefix, "VERSION"), "w") as f:
            f.write("1.0.0\n")
        self.give(self.prefix)

    def clone(self, *options, remote=None, repo=None):
        """A checkout of its own, made by the deploy user; one that stands there is taken away."""
        repo = repo or self.repo
        shutil.rmtree(repo, ignore_errors=True)
        os.mkdir(repo)
        self.give(repo)
        self.git("clone", "-q", "--template=", "--no-hardlinks", *options,
                 remote or self.remote, ".", cwd=repo)

    def put(self, path, text, mode="100644"):
        """A file of the next release; None takes it out."""
        if text is None:
            self.tree.pop(path, None)
        else:
            self.tree[path] = (mode, text.encode() if isinstance(text, str) else text)

    def release(self, version, migrations=None, files=None, tag=True, annotated=False, branch="main",
                onto=None, tag_name=None):
        """Commits the tree to the remote's branch, tags it, and returns the commit's id.

        migrations: {"001_name.py": text, ...}; a name not ending in .py is made executable.
        onto: another parent than the branch's tip ("" for none).
        """
        for path, text in (files or {}).items():
            self.put(path, text)
        for name, text in (migrations or {}).items():
            mode = "100644" if name.endswith((".py", ".txt")) else "100755"
            self.put(f"migrations/v{version}/{name}", text, mode)
        self.put("VERSION", version + "\n")
        self.releases += 1
        who = f"T <t@example.invalid> {1700000000 + self.releases} +0000"
        stream = [f"commit refs/heads/{branch}\nmark :1\ncommitter {who}\n".encode(),
                  self._data(f"release {version}")]
        parent = self.tips.get(branch, self.tips.get("main")) if onto is None else onto
        if parent:
            stream.append(f"from {parent}\n".encode())
        stream.append(b"deleteall\n")
        for path, (mode, data) in sorted(self.tree.items()):
            stream += [f"M {mode} inline {path}\n".encode(), self._data(data)]
        name = tag_name or f"v{version}"
        if tag and annotated:
            stream += [f"tag {name}\nfrom :1\ntagger {who}\n".encode(), self._data(f"version {version}")]
        elif tag:
            stream.append(f"reset refs/tags/{name}\nfrom :1\n\n".encode())
        stream.append(b"get-mark :1\n")
        oid = self.git("fast-import", "--quiet", "--force", cwd=self.remote, data=b"".join(stream))
        self.oids[version] = self.tips[branch] = oid
        return oid

    @staticmethod
    def _data(data):
        data = data.encode() if isinstance(data, str) else data
        return b"data %d\n%s\n" % (len(data), data)

    def gate(self, name):
        gate = Gate(self.work, name)
        self.give(gate.at)
        self.give(gate.go)
        self.gates.append(gate)
        return gate

    def python_migration(self, name, body="", check="", result="True"):
        """A migration whose one effect is its line in the trace, by which check() knows it; name: "1.1.0/001_first"."""
        return (f"import os\n\n\ndef check():\n{self._indent(check)}"
                f"    return 'migrate {name}\\n' in open({self.trace_file!r})\n\n\n"
                f"def migrate():\n{self._indent(body)}"
                f"    with open({self.trace_file!r}, 'a') as f:\n        f.write('migrate {name}\\n')\n"
                f"    return {result}\n")

    @staticmethod
    def _indent(text):
        return "".join(f"    {line}\n" for line in text.splitlines())

    def shell_migration(self, name, body=""):
        return ("#!/bin/sh\n"
                f'case "$1" in\ncheck) grep -qx "migrate {name}" {self.trace_file} ;;\n'
                f"migrate)\n{body}\n echo 'migrate {name}' >> {self.trace_file} ;;\n"
                "*) exit 64 ;;\nesac\n")

    def makefile(self, before="", after=""):
        """The Makefile of the next release, with lines of plain shell before and after the installing."""
        lines = MAKEFILE.format(prefix=self.prefix, trace=self.trace_file).splitlines()
        lines[1:1] = ["\t" + line.replace("$", "$$") for line in before.splitlines()]
        lines += ["\t" + line.replace("$", "$$") for line in after.splitlines()]
        return "\n".join(lines) + "\n"

    def configure(self, *settings):
        """Writes moult.conf: the world's own values, then "section.key=value"; an empty value takes it out."""
        if not self.settings:
            self.settings = {"deploy.computer": COMPUTER, "deploy.repo": self.repo, "deploy.remote": self.remote,
                             "deploy.signal": self.signal, "deploy.state_dir": self.state,
                             "sandbox.write_paths": f"{self.prefix} {self.trace_file} {self.work}"}
        for setting in settings:
            key, _, value = setting.partition("=")
            self.settings[key] = value
        sections = {}
        for key, value in self.settings.items():
            section, _, name = key.partition(".")
            if value:
                sections.setdefault(section, []).append(f"{name} = {value}")
        text = "".join(f"[{s}]\n" + "\n".join(rows) + "\n\n" for s, rows in sections.items())
        with open(self.conf, "w") as f:
            f.write(text)
        os.chmod(self.conf, 0o600)

    # ---- the signal

    @staticmethod
    def signal_text(available, current="1.0.0", channel="stable", **more):
        return json.dumps({"current": current, "available": available, "channel": channel, **more})

    def announce(self, available, current="1.0.0", channel="stable", **more):
        """Drops the signal as a version watcher does: written aside, renamed into place."""
        self.drop(self.signal_text(available, current, channel, **more))

    def drop(self, data, mode=0o644, owner=None):
        data = data.encode() if isinstance(data, str) else data
        aside = os.path.join(self.signals, "dropped.tmp")
        with open(aside, "wb") as f:
            f.write(data)
            f.flush()
            os.fchmod(f.fileno(), mode)
            if owner is not None:
                os.fchown(f.fileno(), owner, owner)
        os.rename(aside, self.signal)

    def make_signals(self):
        """The signal's directory, where a test has taken it away."""
        self.give(self._dir("signal"))

    def signal_is_there(self):
        return os.path.lexists(self.signal)

    # ---- the daemon and the command

    def start(self, mode="obey", **more):
        self.give(self.settings["deploy.repo"])
        supervisor = Supervisor(self, mode, **more)
        self.supervisors.append(supervisor)
        return supervisor

    def run(self, *args, seconds=30, data=None, env=None):
        """Runs the moult command to its end."""
        return subprocess.run([self.moult, *args], env={**self.env, **(env or {})}, input=data, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, text=True)

    def ask(self):
        """What the running daemon answers."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.address)
            return s.makefile().readline().strip()

    def wait_answer(self, version):
        """Waits until the daemon answers that version (a restart leaves a short gap)."""
        deadline = Deadline()
        while True:
            try:
                if self.ask() == version:
                    return
            except OSError:
                pass
            deadline.check(f"the daemon answers {version}")
            time.sleep(0.01)

    @property
    def executor(self):
        """The pid of the living executor, or None."""
        return events.find_descendant(os.getpid(), "moult-executor")

    # ---- what has become of it

    def head(self):
        return self.git("rev-parse", "HEAD")

    def head_is_detached(self):
        with open(os.path.join(self.repo, ".git", "HEAD")) as f:
            return not f.read().startswith("ref:")

    @property
    def installed(self):
        with open(os.path.join(self.prefix, "VERSION")) as f:
            return f.read().strip()

    @property
    def trace(self):
        with open(self.trace_file) as f:
            return f.read().splitlines()

    def text_of_log(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, seconds=None, count=1):
        """Waits until the pair's log has count matches of the pattern; returns the last one found."""
        rows = wait_until(lambda: (m := list(re.finditer(pattern, self.text_of_log()))) and len(m) >= count and m,
                          [self.root], f"the log says {pattern!r}", seconds)
        return rows[-1]

    def run_logs(self):
        """The text of all per-run logs together."""
        text = ""
        directory = os.path.join(self.state, "log")
        if os.path.isdir(directory):
            for name in sorted(os.listdir(directory)):
                with open(os.path.join(directory, name), errors="replace") as f:
                    text += f.read()
        return text

    def history(self):
        path = os.path.join(self.state, "history.jsonl")
        if not os.path.exists(path):
            return []
        with open(path) as f:
            return [json.loads(line) for line in f]

    def migration_state(self):
        path = os.path.join(self.state, "migration_state.json")
        if not os.path.exists(path):
            return None
        with open(path) as f:
            return json.load(f)

    def status(self):
        """The object under the main key of Redis."""
        text = self.reading.call("GET", self.key)
        return json.loads(text) if text else None

    def read_status_file(self):
        try:
            with open(self.status_file) as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def wait_status_file(self, word, seconds=None, **fields):
        """As wait_status(), by status.json alone: for worlds without a Redis."""
        directory = os.path.dirname(self.status_file)
        wait_until(lambda: os.path.isdir(directory), [self.state], "the monitor makes its directory", seconds)

        def found():
            status = self.read_status_file()
            return status if status and self._fits(status, word, fields) else None
        return wait_until(found, [directory], f"status.json says {word}", seconds)

    @staticmethod
    def _fits(status, word, fields):
        return status["status"] == word and all(status.get(k) == v for k, v in fields.items())

    def read_stream(self, block_ms):
        rows = self.reading.call("XREAD", "BLOCK", max(1, int(block_ms)), "STREAMS", self.stream, self.cursor,
                                 seconds=block_ms / 1000 + 10)
        entries = rows[0][1] if rows else []
        for entry, pairs in entries:
            self.cursor = entry
            self.seen.append(json.loads(pairs[pairs.index("status") + 1]))
        return len(entries)

    def wait_status(self, word, seconds=None, since=0, **fields):
        """The first status of that word (and those fields) that Redis's stream has at or after since."""
        deadline = Deadline(seconds)
        while True:
            for status in self.seen[since:]:
                if self._fits(status, word, fields):
                    return status
            deadline.check(f"status {word} {fields or ''}")
            idle = self.supervisors and self.supervisors[-1].is_idle()
            if not self.read_stream(min(1, deadline.left()) * 1000):
                assert not idle, f"no status {word}: the pair has ended with {self.supervisors[-1].pair_codes[-1]}"

    def mark(self):
        """Where the stream stands now, for since=."""
        self.read_stream(1)
        return len(self.seen)

    def words(self, since=0):
        """The status words seen, without immediate repetition."""
        self.read_stream(1)
        rows = [s["status"] for s in self.seen[since:]]
        return [w for i, w in enumerate(rows) if i == 0 or rows[i - 1] != w]

    # ---- whole stories

    def update(self, available, current="1.0.0", channel="stable", seconds=None):
        """Announces, and waits until the daemon has come back through exit 42 and the update is reported deployed."""
        supervisor = self.supervisors[-1]
        since, count = self.mark(), len(supervisor.daemons)
        self.announce(available, current, channel)
        supervisor.wait_restart(count, seconds)
        return self.wait_status("deployed", seconds, since)

    def fails(self, available, current="1.0.0", channel="stable", seconds=None, **fields):
        """Announces, waits for update_failed, and holds it against what every failure must leave as it was."""
        since = self.mark()
        self.announce(available, current, channel)
        return self.failed(since, seconds, **fields)

    def failed(self, since, seconds=None, **fields):
        status = self.wait_status("update_failed", seconds, since, **fields)
        assert status["error"], "a failure says why"
        assert self.signal_is_there(), "a failure keeps the signal file"
        assert 42 not in self.supervisors[-1].daemon_codes[-1:], "a failure does not restart"
        assert events.is_alive(self.supervisors[-1].monitor), "a failure leaves the monitor alive"
        return status

    # ---- the end

    def report(self):
        """All that tells what went wrong."""
        parts = [("pair.log", self.log), ("daemon.log", self.errors.name), ("moult.conf", self.conf),
                 ("status.json", self.status_file), ("journal", os.path.join(self.state, "journal")),
                 ("history", os.path.join(self.state, "history.jsonl")), ("trace", self.trace_file)]
        text = ""
        for name, path in parts:
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f"--- {name}\n{f.read()[-6000:]}\n"
        text += f"--- run logs\n{self.run_logs()[-6000:]}\n"
        text += "--- statuses\n" + "\n".join(json.dumps(s)[:3000] for s in self.seen) + "\n"
        for s in self.supervisors:
            text += f"--- daemon exits {s.daemon_codes}, pair exits {s.pair_codes}, versions {s.versions}\n"
        return text

    def litter(self):
        """Names that no state of rest may show: locks of git, asides of moult, things in tmp/."""
        found = []
        for top in (os.path.join(self.repo, ".git"), self.state, self.signals):
            for directory, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(directory, name)
                    if name.endswith((".lock", ".tmp")) and name != "moult.lock" or name.startswith(".update_"):
                        found.append(path)
                    if directory.startswith(os.path.join(self.state, "tmp")):
                        found.append(path)
        return found

    def end(self):
        """Stops all, removes all. Returns what was wrong with the rest that was left."""
        wrong = []
        if self.errors.closed:
            return wrong
        for supervisor in reversed(self.supervisors):
            try:
                supervisor.stop()
            except Late as late:
                wrong.append(str(late))
        wrong += self._end_orphans()
        if not self.untidy_is_right:
            wrong += [f"left: {path}" for path in self.litter()]
        for peer in reversed(self.peers):
            peer.stop()
        for gate in self.gates:
            gate.close()
        self.errors.close()
        return wrong

    def _end_orphans(self):
        peers = {p.process.pid for p in self.peers if getattr(p, "process", None)}
        below = lambda: [p for p in events.descendants(os.getpid())
                         if p not in peers and not any(self._is_below(p, q) for q in peers)]
        deadline = Deadline(5)
        while below() and deadline.left():
            try:
                events.wait_gone(below()[0], max(0.05, deadline.left()))
            except (Late, IndexError):
                break
        wrong = []
        for pid in below():
            wrong.append(f"process left: {pid} {events.command_of(pid)}")
            events.end(pid)
            events.wait_gone(pid, 5)
        for pid in events.all_pids():
            if events.parent_of(pid) == os.getpid() and not events.is_alive(pid) and pid not in peers:
                events.reap(pid)
        return wrong

    @staticmethod
    def _is_below(pid, ancestor):
        while pid > 1:
            if pid == ancestor:
                return True
            pid = events.parent_of(pid)
        return False

    def remove(self):
        for directory, names, _ in os.walk(self.root):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(self.root)
