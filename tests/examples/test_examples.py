"""The example daemons update themselves from 1.0.0 to 1.1.0, for real, without Redis.

room: tests. Each example is the project that it updates: a remote, a checkout, `make install`.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("MOULT_TEST_BUILD") or os.environ.get("BUILD") or os.path.join(TOP, "build"))
MOULT = os.path.join(BUILD, "moult")
SOON_S = 60
# Started as root the steps are the checkout's owner's; the monitor is nobody.
DEPLOY = pwd.getpwnam("www-data") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
AS_DEPLOY = {"user": DEPLOY.pw_uid, "group": DEPLOY.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
GIT_ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null",
           "GIT_CONFIG_NOSYSTEM": "1"}
LDFLAGS = os.environ.get("MOULT_TEST_LDFLAGS", "")  # what linking a sanitized libmoult.a takes

# A daemon that knows nothing of moult: `moult run --` does it all.
PLAIN = """#!/usr/bin/python3
import os, socket, sys
if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(16)
while True:
    client, _ = listener.accept()
    client.sendall(b"@VERSION@\\n")
    client.close()
"""


# It is applied when its line stands in the trace, which is its one effect.
MIGRATION = """def check():
    return "applied\\n" in open(%(trace)r)


def migrate():
    with open(%(trace)r, "a") as file:
        file.write("applied\\n")
    return %(result)s
"""


def git(directory, *words):
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@localhost", *words], cwd=directory, env=GIT_ENV,
                   check=True, capture_output=True)


class Stage:
    """One example with its remote, its checkout of 1.0.0 installed, and a configuration."""

    def __init__(self, root, example):
        self.root, self.example, self.process = str(root), example, None
        self.socket, self.signal = self.path("daemon.sock"), self.path("signals/update.json")
        self.log, self.trace = self.path("log"), self.path("trace")
        open(self.trace, "w").close()
        os.mkdir(self.path("sdk"))
        for source in (os.path.join(TOP, "include", "moult.h"), os.path.join(BUILD, "libmoult.a")):
            shutil.copy(source, self.path("sdk"))
        self.make_remote(self.path("project"))
        git(self.root, "clone", "-q", "--no-hardlinks", self.path("remote.git"), self.path("checkout"))
        git(self.path("checkout"), "checkout", "-q", "--detach", "v1.0.0")
        with open(self.path("checkout/config.mk"), "w") as file:
            file.write("PREFIX = %s\nCPPFLAGS = -I%s\nLDLIBS = %s/libmoult.a %s\n"
                       % (self.path("prefix"), self.path("sdk"), self.path("sdk"), LDFLAGS))
        for name in ("signals", "prefix", "state"):
            os.mkdir(self.path(name))
        if os.geteuid() != DEPLOY.pw_uid:
            subprocess.run(["chown", "-hR", "%d:%d" % (DEPLOY.pw_uid, DEPLOY.pw_gid), "checkout", "signals", "prefix",
                            "state", "trace"], cwd=self.root, check=True)
        subprocess.run(["make", "-s", "install"], cwd=self.path("checkout"), env=GIT_ENV, check=True, **AS_DEPLOY)
        with open(self.path("moult.conf"), "w") as file:
            file.write("[deploy]\nrepo = %s\nremote = file://%s\nsignal = %s\nstate_dir = %s\n"
                       % (self.path("checkout"), self.path("remote.git"), self.signal, self.path("state")))
            file.write("[sandbox]\nwrite_paths = %s %s\nread_paths = %s\n"
                       % (self.path("prefix"), self.trace, self.path("sdk")))

    def path(self, name):
        return os.path.join(self.root, name)

    def make_remote(self, project):
        source = os.path.join(HERE, "c" if self.example == "c" else "python")
        shutil.copytree(source, project, ignore=shutil.ignore_patterns("daemon", "config.mk", "var"))
        if self.example == "plain":
            with open(os.path.join(project, "daemon.py"), "w") as file:
                file.write(PLAIN)
        git(project, "init", "-q", "-b", "main")
        git(self.root, "init", "-q", "--bare", "-b", "main", "remote.git")
        self.release("1.0.0")
        self.release("1.1.0")

    def release(self, version, migrates=None):
        """A version; with a Python migration that returns what migrates says."""
        project = self.path("project")
        if migrates is not None:
            directory = os.path.join(project, "migrations", "v" + version)
            os.makedirs(directory)
            with open(os.path.join(directory, "001_first.py"), "w") as file:
                file.write(MIGRATION % {"trace": self.trace, "result": migrates})
        with open(os.path.join(project, "VERSION"), "w") as file:
            file.write(version + "\n")
        git(project, "add", "-A")
        git(project, "commit", "-q", "--allow-empty", "-m", version)
        git(project, "tag", "v" + version)
        git(project, "push", "-q", "--tags", self.path("remote.git"), "main")

    def start(self):
        daemon, config = self.path("prefix/bin/example-daemon"), self.path("moult.conf")
        argv = {
            "c": [daemon, "-f", config, "-m", os.path.join(BUILD, "moult-monitor"), self.socket],
            "python": [daemon, "-f", config, "-m", MOULT, self.socket],
            "plain": [MOULT, "run", "-f", config, "--", daemon, self.socket],
        }[self.example]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([os.path.join(HERE, "supervisor.sh"), "3", *argv], stdout=log, stderr=log)

    def ask(self):
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(self.socket)
                return client.makefile().readline().strip()
        except OSError:
            return None

    def wait(self, what, happened):
        deadline = time.monotonic() + SOON_S
        while not happened():
            if time.monotonic() > deadline or self.process.poll() is not None:
                with open(self.log) as file:
                    pytest.fail("%s did not come\n%s" % (what, file.read()))
            time.sleep(0.02)

    def announce(self, version):
        with open(self.signal + ".new", "w") as file:
            json.dump({"current": "1.0.0", "available": version, "channel": "stable"}, file)
        os.rename(self.signal + ".new", self.signal)

    def status(self):
        done = subprocess.run([MOULT, "status", "--json", "-f", self.path("moult.conf")], capture_output=True)
        return json.loads(done.stdout)

    def traced(self):
        with open(self.trace) as file:
            return file.read().splitlines()

    def restarts(self):
        with open(self.log) as file:
            return file.read().count("supervisor: ")

    def stop(self):
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()


@pytest.fixture(params=["c", "python", "plain"])
def stage(request):
    root = tempfile.mkdtemp(prefix="mo-", dir="/tmp")
    os.chmod(root, 0o755)  # every user of the pair reads it
    made = None
    try:
        made = Stage(root, request.param)
        made.start()
        yield made
    finally:
        if made:
            made.stop()
        shutil.rmtree(root)


def test_an_example_daemon_comes_back_as_the_new_version(stage):
    stage.wait("1.0.0", lambda: stage.ask() == "1.0.0")
    stage.announce("1.1.0")
    stage.wait("1.1.0", lambda: stage.ask() == "1.1.0")
    stage.wait("the report", lambda: stage.status().get("status") == "deployed")
    assert stage.status()["version"] == "1.1.0" and stage.status()["running"]
    assert not os.path.exists(stage.signal) and stage.restarts() == 1


def test_an_example_daemon_lives_on_when_the_update_fails(stage):
    stage.wait("1.0.0", lambda: stage.ask() == "1.0.0")
    stage.announce("7.7.7")
    stage.wait("the report", lambda: stage.status().get("status") == "update_failed")
    assert stage.ask() == "1.0.0" and stage.restarts() == 0 and os.path.exists(stage.signal)


def test_an_example_daemon_comes_back_after_a_migration(stage):
    stage.release("1.2.0", migrates=True)
    stage.wait("1.0.0", lambda: stage.ask() == "1.0.0")
    stage.announce("1.2.0")
    stage.wait("1.2.0", lambda: stage.ask() == "1.2.0")
    assert stage.traced() == ["applied"] and stage.restarts() == 1


def test_an_example_daemon_lives_on_when_a_migration_fails(stage):
    stage.release("1.2.0", migrates=False)
    stage.wait("1.0.0", lambda: stage.ask() == "1.0.0")
    stage.announce("1.2.0")
    stage.wait("the report", lambda: stage.status().get("reason") == "migration_failed")
    assert stage.ask() == "1.0.0" and stage.restarts() == 0 and os.path.exists(stage.signal)


def test_an_example_daemon_outlives_its_monitor_and_starts_another(stage):
    stage.wait("1.0.0", lambda: stage.ask() == "1.0.0")
    stage.wait("the monitor", lambda: stage.status()["running"])
    os.kill(stage.status()["pid"], signal.SIGKILL)
    stage.wait("its end", lambda: not stage.status()["running"])
    assert stage.ask() == "1.0.0"
    stage.announce("1.1.0")
    stage.wait("1.1.0", lambda: stage.ask() == "1.1.0")
    assert stage.restarts() == 1


def test_a_retry_by_hand_does_not_wait_for_the_next_try(stage):
    stage.wait("1.0.0", lambda: stage.ask() == "1.0.0")
    stage.announce("7.7.7")
    stage.wait("the report", lambda: stage.status().get("status") == "update_failed")
    stage.release("7.7.7")
    subprocess.run([MOULT, "retry", "-f", stage.path("moult.conf")], check=True, stdout=subprocess.DEVNULL)
    stage.wait("7.7.7", lambda: stage.ask() == "7.7.7")
    assert os.listdir(stage.path("signals")) == []


def test_an_example_daemon_stops_in_order_and_takes_its_monitor_along(stage):
    stage.wait("1.0.0", lambda: stage.ask() == "1.0.0")
    stage.wait("the monitor", lambda: stage.status()["running"])
    assert stage.stop() == (143 if stage.example == "plain" else 0)
    assert not stage.status()["running"]
