"""The moult command as a person and a script use it: run, run --, status, retry, signal, check."""

import json
import os
import re
import signal
import subprocess

import pytest

import events
from world import PYTHON

COMMANDS = ["run", "status", "retry", "signal", "check"]


def test_help_and_version_are_answered_with_0(world):
    done = world.run("--version")
    assert done.returncode == 0 and re.search(r"\d+\.\d+\.\d+", done.stdout)
    done = world.run("--help")
    assert done.returncode == 0 and all(word in done.stdout for word in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help(world, command):
    done = world.run(command, "--help")
    assert done.returncode == 0 and "usage" in done.stdout.lower()


@pytest.mark.parametrize("binary", ["moult-monitor", "moult-executor"])
def test_the_binaries_of_the_pair_tell_their_version(world, binary):
    done = subprocess.run([os.path.join(world.bin, binary), "--version"], stdout=subprocess.PIPE, timeout=10, text=True)
    assert done.returncode == 0 and re.search(r"\d+\.\d+\.\d+", done.stdout)


# ---- status

def test_status_before_anything_happened(world):
    done = world.run("status", "-f", world.conf)
    assert done.stdout or done.stderr
    assert "Traceback" not in done.stdout


def test_status_after_an_update_in_words(world):
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.wait_status_file("deployed")
    done = world.run("status", "-f", world.conf)
    assert done.returncode == 0
    assert "deployed" in done.stdout and "1.1.0" in done.stdout
    assert "\x1b" not in done.stdout, "no colors when it is no terminal"


def test_status_as_json_is_the_status_object(world):
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.wait_status_file("deployed")
    done = world.run("status", "--json", "-f", world.conf)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["status"] == "deployed" and told["version"] == "1.1.0" and isinstance(told["timestamp"], float)


def test_status_of_a_failure_tells_why_and_the_way_back(world):
    world.release("1.1.0", {"001_bad.py": world.python_migration("1.1.0/001_bad", body="return False")})
    world.start()
    world.fails("1.1.0")
    world.wait_status_file("update_failed")
    done = world.run("status", "-f", world.conf)
    assert "update_failed" in done.stdout and "001_bad" in done.stdout
    assert world.oids["1.0.0"] in done.stdout


def test_status_tells_when_no_monitor_runs_any_more(world):
    supervisor = world.start()
    world.release("1.1.0")
    world.update("1.1.0")
    world.wait_status_file("deployed")
    supervisor.stop()
    done = world.run("status", "-f", world.conf)
    assert re.search(r"not running|no monitor|stopped|stale", done.stdout + done.stderr)


def test_status_with_a_bad_configuration_ends_with_78(world):
    with open(world.conf, "a") as f:
        f.write("[nonsense]\na = b\n")
    assert world.run("status", "-f", world.conf).returncode == 78


# ---- retry

def test_retry_without_a_signal_says_so_and_fails(world):
    world.start()
    done = world.run("retry", "-f", world.conf)
    assert done.returncode != 0 and "signal" in done.stderr
    assert os.listdir(world.signals) == []


def test_retry_runs_a_delayed_update_at_once(world):
    oid = world.release("1.1.0", tag=False)
    world.start()
    world.fails("1.1.0", reason="tag_missing")
    world.git("tag", "v1.1.0", oid, cwd=world.remote)
    done = world.run("retry", "-f", world.conf)
    assert done.returncode == 0
    world.supervisors[-1].wait_restart()
    assert os.listdir(world.signals) == []


# ---- signal

def test_signal_writes_the_file_and_the_update_runs(world):
    world.release("1.1.0")
    supervisor = world.start()
    done = world.run("signal", "1.1.0", "--current", "1.0.0", "--channel", "stable", "-f", world.conf)
    assert done.returncode == 0, done.stderr
    supervisor.wait_restart()
    assert world.installed == "1.1.0"
    world.wait_status_file("deployed", version="1.1.0")
    world.release("1.2.0")
    done = world.run("signal", "1.2.0", "-f", world.conf)
    assert done.returncode == 0, done.stderr
    supervisor.wait_restart(2)
    assert world.installed == "1.2.0", "what runs now was taken from the status, the channel was stable"


def test_signal_asks_for_the_present_version_when_nobody_knows_it(world):
    done = world.run("signal", "1.1.0", "-f", world.conf)
    assert done.returncode not in (0, 70) and done.stderr and not world.signal_is_there()


def test_signal_refuses_what_is_not_newer(world):
    done = world.run("signal", "1.1.0", "--current", "1.1.0", "-f", world.conf)
    assert done.returncode in (64, 65) and "newer" in done.stderr and not world.signal_is_there()


def test_signal_writes_what_a_version_watcher_would(world):
    done = world.run("signal", "v1.1.0", "--current=v1.0.0", "--channel=beta", "-f", world.conf)
    assert done.returncode == 0, done.stderr
    with open(world.signal) as f:
        told = json.load(f)
    assert told["available"].lstrip("v") == "1.1.0" and told["channel"] == "beta" and told["current"]
    assert os.stat(world.signal).st_mode & 0o022 == 0
    assert os.listdir(world.signals) == ["update_available.json"]


@pytest.mark.parametrize("version", ["latest", "1.1", "01.1.0", "../x", "", "1.1.0 "])
def test_signal_refuses_what_is_no_version(world, version):
    done = world.run("signal", "--current", "1.0.0", "-f", world.conf, "--", version)
    assert done.returncode in (64, 65) and not world.signal_is_there()


def test_signal_refuses_an_unknown_channel(world):
    done = world.run("signal", "1.1.0", "--current", "1.0.0", "--channel", "nightly", "-f", world.conf)
    assert done.returncode in (64, 65) and not world.signal_is_there()


# ---- check

def test_check_of_a_good_place_succeeds(world):
    done = world.run("check", "-f", world.conf)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_names_every_error_of_the_configuration(world):
    with open(world.conf, "a") as f:
        f.write("[nonsense]\na = b\n[limits]\nfetch_s = never\n")
    done = world.run("check", "-f", world.conf)
    assert done.returncode == 78
    assert "nonsense" in done.stdout + done.stderr and "fetch_s" in done.stdout + done.stderr


@pytest.mark.parametrize("what, status", [("deploy.repo={}", 78), ("deploy.signal={}/signal.json", 77)])
def test_check_names_what_is_missing(world, what, status):
    nowhere = f"{world.root}/nowhere"
    world.configure(what.format(nowhere))
    done = world.run("check", "-f", world.conf)
    assert done.returncode == status and nowhere in done.stdout


def test_check_refuses_the_state_directory_of_another_checkout(world):
    world.start()
    events.wait_until(lambda: os.path.exists(os.path.join(world.state, "lock")), [world.state], "the pair has it")
    assert world.run("check", "-f", world.conf).returncode == 0
    world.clone(repo=world.root + "/other")
    world.configure(f"deploy.repo={world.root}/other")
    done = world.run("check", "-f", world.conf)
    assert done.returncode == 77 and "one state_dir for each checkout" in done.stdout


def test_retry_of_a_refused_signal_says_why(world):
    world.start()
    world.drop("{not json")
    world.wait_status("update_failed", reason="signal_invalid")
    world.wait_status_file("update_failed")
    done = world.run("retry", "-f", world.conf)
    assert done.returncode == 65 and world.signal in done.stderr
    assert os.listdir(world.signals) == [os.path.basename(world.signal)]


# ---- run --

PLAIN = """\
import os, signal
numbers = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
open(%(up)r, "w").write("%%d\\n" %% os.getpid())
open(%(mark)r, "a").write("orderly %%d\\n" %% signal.sigwait(numbers))
"""


class Supervised:
    """`moult run -- daemon`, the daemon being a few lines that know nothing of moult."""

    def __init__(self, world, program=None):
        self.mark = os.path.join(world.root, "mark")
        self.up = os.path.join(world.root, "up")
        self.script = os.path.join(world.root, "plain.py")
        with open(self.script, "w") as f:
            f.write(program or PLAIN % {"mark": self.mark, "up": self.up})
        self.log = open(world.log, "ab")
        self.process = subprocess.Popen(
            [world.moult, "run", "-f", world.conf, "--", PYTHON, "-IS", self.script], env=world.env, cwd="/",
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def wait_up(self, world):
        events.wait_until(lambda: os.path.exists(self.up) and os.path.getsize(self.up), [world.root], "the daemon is up")
        with open(self.up) as f:
            return int(f.read())

    def said(self):
        with open(self.mark) as f:
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def supervised(world):
    made = []

    def make(program=None):
        made.append(Supervised(world, program))
        return made[-1]
    yield make
    for each in made:
        each.stop()


def test_run_with_a_daemon_ends_it_in_order_and_exits_42(world, supervised):
    world.release("1.1.0")
    service = supervised()
    pid = service.wait_up(world)
    world.announce("1.1.0")
    assert service.process.wait(events.DEADLINE_S) == 42
    assert not events.is_alive(pid)
    assert service.said() == f"orderly {signal.SIGTERM}\n"
    assert world.installed == "1.1.0"
    os.unlink(service.up)
    again = supervised()
    again.wait_up(world)
    world.wait_status("deployed", version="1.1.0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_run_forwards_signals_to_the_daemon(world, supervised, number):
    service = supervised()
    pid = service.wait_up(world)
    service.process.send_signal(number)
    events.wait_gone(pid)
    assert service.said() == f"orderly {number.value}\n"
    assert service.process.wait(events.DEADLINE_S) == 0


def test_run_ends_as_its_daemon_ends(world, supervised):
    service = supervised("raise SystemExit(7)\n")
    assert service.process.wait(events.DEADLINE_S) == 7


def test_run_keeps_the_daemon_when_the_update_fails(world, supervised):
    world.release("1.1.0", files={"Makefile": "install:\n\tfalse\n"})
    service = supervised()
    pid = service.wait_up(world)
    world.announce("1.1.0")
    world.wait_status("update_failed")
    assert events.is_alive(pid) and service.process.poll() is None


def test_run_keeps_the_daemon_and_starts_another_pair_when_the_monitor_dies(world, supervised):
    world.release("1.1.0")
    service = supervised()
    pid = service.wait_up(world)
    monitor = events.wait_until(lambda: events.find_descendant(service.process.pid, "moult-monitor"),
                                [], "the monitor runs")
    events.end(monitor)
    events.wait_gone(monitor)
    assert events.is_alive(pid)
    world.announce("1.1.0")
    assert service.process.wait(events.DEADLINE_S) == 42
    assert world.installed == "1.1.0"


def test_run_of_a_daemon_that_is_not_there_fails(world):
    done = world.run("run", "-f", world.conf, "--", "/nonexistent/daemon")
    assert done.returncode in (69, 71, 126, 127) and "/nonexistent/daemon" in done.stderr
