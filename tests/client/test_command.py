"""The command `moult`: its grammar, its files, and the supervisor opposite a scripted monitor.

room: tests. The real command stands in a directory of its own, beside the puppet as moult-monitor.
"""

import json
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import sys
import threading
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("MOULT_TEST_BUILD") or os.environ.get("BUILD") or os.path.join(TOP, "build"))
SOON_S = 5
NOBODY, DAEMON_USER = 65534, 1
# The checkouts here are the test's own; root's would be refused without a word for it.
USERS = "deploy_user = root\n" if os.geteuid() == 0 else ""

# A daemon that writes down each signal it gets, and ends at SIGTERM as told.
DAEMON = """
import os, signal, sys, time
log, end, slowness = open(sys.argv[1], "a", buffering=1), int(sys.argv[2]), float(sys.argv[3])
def note(number, frame):
    print(signal.Signals(number).name, file=log)
def leave(number, frame):
    note(number, frame)
    time.sleep(slowness)
    os._exit(end)
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
               signal.SIGCONT):
    signal.signal(number, note)
signal.signal(signal.SIGTERM, leave)
print("ready", os.getpid(), file=log)
while True:
    signal.pause()
"""


class Place:
    """A directory with the command, a puppet for a monitor, and a configuration."""

    def __init__(self, root):
        self.root = str(root)
        self.bin, self.log, self.notes = self.path("bin"), self.path("log"), self.path("notes")
        for name in ("bin", "signals", "state/monitor", "repo/.git"):
            os.makedirs(self.path(name))
        shutil.copy(os.path.join(BUILD, "moult"), self.bin)
        shutil.copy(os.path.join(BUILD, "tests/puppets/fake_monitor"), os.path.join(self.bin, "moult-monitor"))
        shutil.copy("/bin/true", os.path.join(self.bin, "moult-executor"))
        self.signal, self.conf = self.path("signals/update_available.json"), self.path("moult.conf")
        self.configure()

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def configure(self, more=""):
        self.write("moult.conf", "[deploy]\ncomputer = here\nrepo = %s\nremote = file://%s\nsignal = %s\n"
                                 "state_dir = %s\n%s%s" % (self.path("repo"), self.path("remote.git"), self.signal,
                                                           self.path("state"), USERS, more))

    def report(self, running=True, **fields):
        """Leaves a status.json; a running monitor is played by this test."""
        with open("/proc/self/stat") as file:
            start = int(file.read().rpartition(")")[2].split()[19])
        fields = {"status": "deployed", "timestamp": time.time(), "computer": "here", "pid": os.getpid(),
                  "pid_start": start if running else start + 1, **fields}
        self.write("state/monitor/status.json", json.dumps(fields))

    def argv(self, *words):
        return [os.path.join(self.bin, "moult"), words[0], "-f", self.conf, *words[1:]]

    def run(self, *words):
        return subprocess.run(self.argv(*words), capture_output=True, text=True, timeout=30)

    def supervise(self, script, *daemon, **options):
        """`moult run -- daemon`, with a script for the monitor."""
        path = self.write("script", script.replace("@", self.notes))
        argv = [os.path.join(self.bin, "moult"), "run", "-f", path, "--", *daemon]
        return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, **options)

    def daemon(self, status=0, slowness=0):
        return [sys.executable, "-c", DAEMON, self.log, str(status), str(slowness)]

    def lines(self, path):
        try:
            with open(path) as file:
                return file.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def wait_line(self, path, line):
        deadline = time.monotonic() + SOON_S
        while not any(found.startswith(line) for found in self.lines(path)):
            assert time.monotonic() < deadline, "no %r in %r" % (line, self.lines(path))
            time.sleep(0.01)
        return next(found for found in self.lines(path) if found.startswith(line))


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def finish(process):
    """Its exit status and what it said, when it ends by itself."""
    try:
        _, said = process.communicate(timeout=30)
        return process.returncode, said
    finally:
        process.kill()


# ---- grammar ----


@pytest.mark.parametrize("words", [[], ["bogus"], ["--bogus"], ["status", "--bogus"], ["status", "x"], ["status", "-f"],
                                   ["run", "x"], ["run", "--"], ["signal"], ["signal", "1.0.0", "2.0.0"],
                                   ["retry", "--json"], ["retry", "x"], ["check", "x"], ["run", "--channel", "beta"]])
def test_wrong_usage_ends_with_64_and_says_how_on_stderr(place, words):
    done = subprocess.run([os.path.join(place.bin, "moult"), *words], capture_output=True, text=True)
    assert done.returncode == 64 and "usage: moult" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("words, name", [
    (["--bogus"], "--bogus"), (["status", "--bogus"], "--bogus"), (["status", "--bogus=1"], "--bogus"),
    (["status", "-x"], "-x"), (["status", "-jx"], "-x"), (["retry", "--json"], "--json"), (["retry", "-j"], "-j"),
    (["run", "--channel", "beta"], "--channel"), (["status", "--json=1"], "--json"), (["status", "--file", "x"], "--file"),
    (["status", "-f"], "-f"), (["status", "--config"], "--config"), (["signal", "--channel"], "--channel")])
def test_a_wrong_option_is_named(place, words, name):
    done = subprocess.run([os.path.join(place.bin, "moult"), *words], capture_output=True, text=True)
    assert done.returncode == 64
    assert re.search(r"option %s\b" % re.escape(name), done.stderr.splitlines()[0])


def test_the_configuration_is_named_alike_in_both_spellings(place):
    place.report()
    for words in (["-f", place.conf], ["--config", place.conf], ["--config=" + place.conf]):
        assert subprocess.run([os.path.join(place.bin, "moult"), "status", *words], capture_output=True).returncode == 0


def numbers(text):
    return set(re.findall(r"\b(?:0|1|3|6[4-9]|7[0-8]|42|12[678])\b", text))


@pytest.mark.parametrize("command", ["run", "status", "retry", "signal", "check"])
def test_help_and_the_manual_page_list_the_same_statuses(place, command):
    done = subprocess.run([os.path.join(place.bin, "moult"), command, "--help"], capture_output=True, text=True)
    with open(os.path.join(TOP, "client/moult.1")) as file:
        section = file.read().partition(".Sh EXIT STATUS\n")[2].partition(".Sh ")[0]
    common, *items = re.split(r"^\.It ", section, flags=re.M)
    own = [item.partition("\n")[2] for item in items if item.split()[1] == command]
    assert own and numbers(done.stdout.partition("Exit status:")[2]) == numbers(common + "".join(own))


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["-V"], ["run", "--help"], ["status", "--help"],
                                   ["retry", "-h"], ["signal", "--help"], ["check", "--help"]])
def test_help_and_version_go_to_stdout(place, words):
    done = subprocess.run([os.path.join(place.bin, "moult"), *words], capture_output=True, text=True)
    assert done.returncode == 0 and "moult" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("words", [["status"], ["retry"], ["signal", "1.0.0"], ["check"]])
def test_a_wrong_configuration_ends_with_78_and_every_complaint(place, words):
    place.configure("bogus = 1\n[limits]\nfetch_s = 0\n")
    done = place.run(*words)
    said = done.stdout + done.stderr
    first = 7 + USERS.count("\n")
    assert done.returncode == 78 and ":%d:" % first in said and ":%d:" % (first + 2) in said


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["status", "--help"], ["status"], ["status", "--json"]])
def test_output_that_is_lost_is_no_success(place, words):
    place.report()
    argv = place.argv(*words) if words == ["status"] else [os.path.join(place.bin, "moult"), *words, "-f", place.conf]
    with open("/dev/full", "w") as full:
        assert subprocess.run(argv, stdout=full, stderr=subprocess.PIPE).returncode == 74


# ---- status ----


def test_status_without_a_report_says_so(place):
    done = place.run("status")
    assert done.returncode == 3 and "Nothing was reported yet" in done.stdout
    assert json.loads(place.run("status", "--json").stdout) == {"running": False}


def test_status_of_a_deployed_version(place):
    place.report(version="1.1.0", channel="beta")
    done = place.run("status")
    assert done.returncode == 0
    assert "status     deployed\n" in done.stdout and "version    1.1.0\n" in done.stdout
    assert "monitor    running, pid %d\n" % os.getpid() in done.stdout and "\033" not in done.stdout


def test_status_of_a_failed_update_tells_the_way_back(place):
    place.report(status="update_failed", step="migrate", error="migrate: it failed", held=True, to="1.1.0",
                 rollback="git -C /repo checkout --detach abc", output="one\\ntwo\\n", **{"from": "1.0.0"})
    done = place.run("status")
    assert done.returncode == 1
    for part in ("update_failed", "1.0.0 -> 1.1.0", "it failed", "git -C /repo checkout --detach abc", "moult retry",
                 "output     one\n           two\n"):
        assert part in done.stdout


def test_status_of_a_failed_update_names_the_log_and_no_way_back_that_is_not_there(place):
    place.report(status="update_failed", error="fetch: it failed", log="/state/log/x.log", held=True)
    done = place.run("status")
    assert "log        /state/log/x.log\n" in done.stdout and "go back" not in done.stdout
    assert "then there" not in done.stdout


def test_status_of_success_names_no_log(place):
    place.report(log="/state/log/x.log")
    assert "x.log" not in place.run("status").stdout


def test_status_of_a_refused_signal_waits_for_a_new_one_alone(place):
    place.report(status="update_failed", reason="signal_invalid", error="check: the signal file is refused: no")
    done = place.run("status")
    assert "next try   held: at a new signal\n" in done.stdout and "retry" not in done.stdout


def test_status_says_when_the_next_try_is(place):
    place.report(status="update_failed", retry_at=time.time() + 90)
    assert "(in 90 s)" in place.run("status").stdout


def test_status_of_a_dead_monitor_says_that_it_is_dead(place):
    place.report(running=False, status="migrating")
    done = place.run("status")
    assert done.returncode == 3 and "not running" in done.stdout
    assert json.loads(place.run("status", "--json").stdout)["running"] is False


def test_status_escapes_what_a_terminal_must_not_see(place):
    place.report(status="update_failed", error="\033[2Jgone\u202e", output="\033]0;x\\007")
    done = place.run("status")
    assert "\033" not in done.stdout and "\\033[2Jgone" in done.stdout and done.stdout.isascii()
    assert "\033" not in place.run("status", "--json").stdout


@pytest.mark.parametrize("text", ["", "[]", "{", "7", "{\"status\":1,\"status\":2}", "x" * 70000])
def test_status_refuses_a_damaged_report(place, text):
    place.write("state/monitor/status.json", text)
    done = place.run("status")
    assert done.returncode == 66 and "status.json" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("fields", [{"status": 7}, {"pid": "x"}, {"pid": 2**62}, {"pid": -1}, {"timestamp": "x"},
                                    {"timestamp": 1e300}, {"percent": "x", "step": "fetch"}, {"degraded": [1, None]}])
def test_status_lives_with_fields_of_wrong_types(place, fields):
    place.report(**fields)
    assert place.run("status").returncode in (0, 3)


@pytest.mark.parametrize("no_color, colored", [(None, True), ("1", False)])
def test_colors_are_for_terminals_without_no_color(place, no_color, colored):
    place.report()
    env = {"TERM": "xterm", **({"NO_COLOR": no_color} if no_color else {})}
    ours, theirs = pty.openpty()
    with subprocess.Popen(place.argv("status"), stdout=theirs, env=env) as process:
        os.close(theirs)
        said = b""
        while b"computer" not in said:
            said += os.read(ours, 4096)
        process.wait(SOON_S)
    os.close(ours)
    assert (b"\033[32mdeployed" in said) is colored


# ---- signal and retry ----


def test_signal_writes_what_a_watcher_would(place):
    done = place.run("signal", "v1.1.0", "--current", "1.0.0", "--channel", "beta")
    assert done.returncode == 0, done.stderr
    with open(place.signal) as file:
        assert json.load(file) == {"current": "1.0.0", "available": "1.1.0", "channel": "beta"}
    assert stat.S_IMODE(os.stat(place.signal).st_mode) == 0o644
    assert os.listdir(place.path("signals")) == ["update_available.json"]


def test_signal_takes_the_deployed_version_from_the_last_report(place):
    place.report(version="1.0.0")
    assert place.run("signal", "1.1.0").returncode == 0
    with open(place.signal) as file:
        assert json.load(file) == {"current": "1.0.0", "available": "1.1.0", "channel": "stable"}


def test_signal_asks_for_current_when_nothing_tells_it(place):
    done = place.run("signal", "1.1.0")
    assert done.returncode == 66 and "--current" in done.stderr and not os.path.exists(place.signal)


def test_signal_takes_an_object_id_on_alpha_alone(place):
    oid = "0123456789" * 4
    assert place.run("signal", oid, "--current", "1.0.0", "--channel", "alpha").returncode == 0
    assert place.run("signal", oid, "--current", "1.0.0", "--channel", "beta").returncode == 65


@pytest.mark.parametrize("version", ["1.0", "01.0.0", "1.0.0 ", "-x", "../1.0.0", "1.0.0", "0.9.0", "2.0.0\n", ""])
def test_signal_refuses_what_is_no_newer_version(place, version):
    done = place.run("signal", "--current", "1.0.0", "--", version)
    assert done.returncode == 65 and not os.path.exists(place.signal)


def test_signal_refuses_an_unknown_channel(place):
    assert place.run("signal", "2.0.0", "--current", "1.0.0", "--channel", "Stable").returncode == 64


def test_signal_into_no_directory_is_told(place):
    os.rmdir(place.path("signals"))
    done = place.run("signal", "2.0.0", "--current", "1.0.0")
    assert done.returncode == 73 and "signals" in done.stderr


def test_retry_without_a_signal_fails(place):
    done = place.run("retry")
    assert done.returncode == 66 and not os.listdir(place.path("signals"))


def test_retry_leaves_an_empty_file_beside_the_signal(place):
    place.write("signals/update_available.json", "{}")
    assert place.run("retry").returncode == 0
    assert os.path.getsize(place.signal + ".retry") == 0
    assert place.run("retry").returncode == 0


@pytest.mark.parametrize("running", [True, False])
def test_retry_says_whether_it_is_now(place, running):
    place.write("signals/update_available.json", "{}")
    place.report(running=running, status="update_failed", reason="fetch_failed")
    done = place.run("retry")
    assert done.returncode == 0 and os.path.exists(place.signal + ".retry")
    assert len(done.stdout.splitlines()) == 1
    assert ("now" in done.stdout) is running and ("when the monitor runs" in done.stdout) is not running


@pytest.mark.parametrize("running", [True, False])
def test_retry_of_a_refused_signal_says_why_and_asks_for_nothing(place, running):
    place.write("signals/update_available.json", "{")
    place.report(running=running, status="update_failed", reason="signal_invalid",
                 error="check: the signal file is refused: not JSON \033[2J")
    done = place.run("retry")
    assert done.returncode == 65 and done.stdout == "" and os.listdir(place.path("signals")) == ["update_available.json"]
    assert place.signal + ": the signal file is refused: not JSON" in done.stderr and "\033" not in done.stderr
    assert "new signal file must be written" in done.stderr


def test_retry_of_a_signal_that_came_after_the_refused_one_is_asked_for(place):
    place.report(running=False, status="update_failed", reason="signal_invalid", timestamp=time.time() - 60)
    place.write("signals/update_available.json", "{}")
    assert place.run("retry").returncode == 0 and os.path.exists(place.signal + ".retry")


# ---- check ----


@pytest.fixture
def pair(place):
    """The place with a pair that finds nothing wrong; as root it would become two users."""
    for name in ("moult-monitor", "moult-executor"):
        path = os.path.join(place.bin, name)
        os.unlink(path)
        with open(path, "w") as file:
            file.write("#!/bin/sh\necho ok sandbox this is a play\n")
        os.chmod(path, 0o755)
    if os.geteuid() == 0:
        os.chown(place.path("state/monitor"), NOBODY, -1)
    return place


def verdicts(done):
    return {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}


def test_check_of_a_good_place(pair):
    done = pair.run("check")
    assert done.returncode == 0, done.stdout
    assert set(verdicts(done).values()) <= {"ok", "warning"}


@pytest.mark.parametrize("status, name, spoil", [
    (77, "checkout", lambda p: os.rmdir(p.path("repo/.git"))),
    (77, "checkout", lambda p: (os.rmdir(p.path("repo/.git")), p.write("repo/.git", "gitdir: /elsewhere"))),
    (77, "signal", lambda p: os.rmdir(p.path("signals"))),
    (77, "state", lambda p: (shutil.rmtree(p.path("state")), p.write("state", ""))),
    (69, "install", lambda p: p.configure("install_command = no-such-program --now\n")),
    (69, "install", lambda p: p.configure("install_command = ./no-such-script\n")),
    (69, "install", lambda p: p.configure("install_command = /usr --now\n")),
    (69, "migrate", lambda p: p.configure("migrate_command = no-such-program\n")),
    (69, "migrate", lambda p: p.configure("migrate_command = ./no-such-script all\n")),
    (74, "redis", lambda p: p.configure("[redis]\nurl = redis://127.0.0.1:1\npassword_file = /nonexistent/password\n")),
    (69, "programs", lambda p: os.unlink(p.path("bin/moult-executor"))),
])
def test_check_names_what_is_wrong_and_ends_with_its_status(pair, status, name, spoil):
    spoil(pair)
    done = pair.run("check")
    assert done.returncode == status and verdicts(done)[name] == "FAILED"


def row(done, name):
    return next(line for line in done.stdout.splitlines() if line.split()[1] == name)


@pytest.mark.parametrize("state, status, words", [
    ("nowhere/state", 77, "one level only"), ("link/state", 77, "inside the checkout"), ("repo/state", 78, "inside repo"),
    ("repo", 78, "inside repo"), ("repo/.git/state", 78, "inside repo")])
def test_check_refuses_a_state_directory_that_moult_could_not_use(pair, state, status, words):
    os.symlink("repo", pair.path("link"))
    pair.configure()
    with open(pair.conf) as file:
        text = file.read().replace(pair.path("state"), pair.path(state))
    pair.write("moult.conf", text)
    done = pair.run("check")
    said = row(done, "state" if status == 77 else "configuration")
    assert done.returncode == status and said.startswith("FAILED")
    assert "state_dir" in said and words in said
    assert not os.path.exists(pair.path("nowhere"))


def test_check_lets_moult_make_one_level_beside_the_checkout(pair):
    with open(pair.conf) as file:
        text = file.read().replace(pair.path("state"), pair.path("repo-state"))
    pair.write("moult.conf", text)
    done = pair.run("check")
    assert done.returncode == 0 and "will be made" in row(done, "state")
    assert not os.path.exists(pair.path("repo-state"))


@pytest.mark.parametrize("first, verdict", [("@repo", "ok"), ("/srv/other", "FAILED"), ("@repo2", "FAILED"), ("", "ok")])
def test_check_refuses_the_state_directory_of_another_checkout(pair, first, verdict):
    pair.write("state/lock", first.replace("@repo", pair.path("repo")) + "\nmore\n")
    done = pair.run("check")
    assert row(done, "state").startswith(verdict)
    assert (verdict == "ok") is ("one state_dir for each checkout" not in done.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: chown")
@pytest.mark.parametrize("path, name, key", [
    ("repo", "checkout", "repo"), ("repo/.git", "checkout", "repo"), ("state", "state", "state_dir"),
    ("state/monitor", "state", "state_dir")])
def test_check_names_a_directory_of_another_user_and_its_key(pair, path, name, key):
    os.chown(pair.path(path), DAEMON_USER, -1)
    done = pair.run("check")
    assert done.returncode == 77 and row(done, name).startswith("FAILED")
    for part in ("[deploy] %s: %s " % (key, pair.path(path)), "belongs to user daemon", "chown -R"):
        assert part in row(done, name)


@pytest.mark.parametrize("path, name, key", [
    ("repo", "checkout", "repo"), ("repo/.git", "checkout", "repo"), ("state", "state", "state_dir"),
    ("signals", "signal", "signal")])
def test_check_names_a_directory_that_cannot_be_written_and_its_key(pair, path, name, key):
    os.chmod(pair.path(path), 0o555)
    # Root may write everywhere, unless it has left that power behind.
    powerless = ["setpriv", "--bounding-set", "-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*powerless, *pair.argv("check")], capture_output=True, text=True)
    os.chmod(pair.path(path), 0o755)
    assert done.returncode == 77 and row(done, name).startswith("FAILED")
    assert "[deploy] %s: %s: Permission denied" % (key, pair.path(path)) in row(done, name)


def test_check_finds_python_and_needs_none_beside_a_migrate_command(pair):
    assert "/python3" in row(pair.run("check"), "python")
    pair.configure("migrate_command = true\n")
    assert "not needed" in row(pair.run("check"), "python")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount namespace")
@pytest.mark.parametrize("migrations, verdict", [(False, "warning"), (True, "FAILED")])
def test_check_warns_of_a_missing_python_before_a_migration_needs_it(pair, migrations, verdict):
    if migrations:
        os.makedirs(pair.path("repo/migrations/v1.0.0"))
        pair.write("repo/migrations/v1.0.0/001_x.py", "")
    hide = ("for d in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do"
            " [ ! -e $d/python3 ] || mount --bind /dev/null $(readlink -f $d/python3) || exit 99; done; exec \"$@\"")
    argv = ["unshare", "-m", "sh", "-c", hide, "sh", *pair.argv("check")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert row(done, "python").startswith(verdict), done.stderr
    assert done.returncode == (69 if migrations else 0)


def test_check_of_a_redis_that_is_down_fails_and_says_that_updates_go_on(pair):
    pair.configure("[redis]\nurl = unix:///nonexistent/redis.sock\n")
    done = pair.run("check")
    assert done.returncode == 74 and row(done, "redis").startswith("FAILED")
    assert "updates go on without it" in row(done, "redis")


QUEUED = [b"+PONG\r\n", b"+OK\r\n", b"+QUEUED\r\n", b"+QUEUED\r\n", b"+QUEUED\r\n", b"+OK\r\n"]


@pytest.mark.parametrize("answers, verdict", [
    (QUEUED, "ok"), ([b"-NOAUTH please\r\n"], "FAILED"), ([b"rubbish\r\n"], "FAILED"), ([b""], "FAILED"), ([], "FAILED"),
    ([*QUEUED[:2], b"-READONLY no\r\n"], "FAILED"), ([*QUEUED[:4], b"-ERR unknown command\r\n", b"+OK\r\n"], "ok")])
def test_check_asks_redis_and_waits_two_seconds_at_most(pair, answers, verdict):
    with tempfile.TemporaryDirectory(prefix="mo-") as place:
        os.chmod(place, 0o755)  # as root, it is asked by the monitor's user
        ask_redis(pair, os.path.join(place, "redis.sock"), answers, verdict)


def ask_redis(pair, path, answers, verdict):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(1)
    asked = []

    def serve():
        client, _ = listener.accept()
        with client:
            for answer in answers:
                asked.append(client.recv(1024))
                client.sendall(answer)
                if not answer:
                    return
            client.recv(1024)  # silence, until the other side has had enough

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    pair.configure("[redis]\nurl = unix://%s\n" % path)
    began = time.monotonic()
    done = pair.run("check")
    assert verdicts(done)["redis"] == verdict
    assert time.monotonic() - began < 4
    server.join(SOON_S)
    listener.close()
    assert not [words for words in asked if b"EXEC" in words]
    if verdict == "ok":
        assert b"DISCARD" in asked[-1]


# ---- run ----


def test_run_becomes_the_monitor_itself(place):
    path = place.write("script", "facts %s\nnote %s\nexit 42\n" % (place.log, place.notes))
    process = subprocess.Popen([os.path.join(place.bin, "moult"), "run", "-f", path], env={"SECRET": "x", "PATH": "/"})
    assert process.wait(SOON_S) == 42
    assert place.lines(place.notes) == [str(process.pid)]
    facts = place.lines(place.log)
    assert "arg -f" in facts and "arg " + path in facts
    assert not [line for line in facts if "SECRET" in line] and "env LANG=C.UTF-8" in facts


@pytest.mark.parametrize("script, status", [("exit 7", 7), ("exit 0", 0), ("kill -9 $$", 137), ("exit 42", 42)])
def test_the_daemons_own_end_is_the_supervisors(place, script, status):
    process = place.supervise("polite 0\nnote @\npause\n", "/bin/sh", "-c", script)
    assert finish(process)[0] == status


@pytest.mark.parametrize("program, status", [("no-such-program", 127), ("/nonexistent/x", 127), ("/etc/passwd", 126)])
def test_a_daemon_that_cannot_be_executed(place, program, status):
    code, said = finish(place.supervise("note @\npause\n", program))
    assert code == status and program in said
    assert place.lines(place.notes) == []


def test_the_monitor_is_stopped_when_the_daemon_ends(place):
    process = place.supervise("polite 0\nnote @\npause\n", *place.daemon(status=5))
    place.wait_line(place.log, "ready")
    place.wait_line(place.notes, "")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 5
    with pytest.raises(ProcessLookupError):
        os.kill(int(place.lines(place.notes)[0]), 0)


def test_signals_are_passed_on_to_the_daemon(place):
    process = place.supervise("polite 0\npause\n", *place.daemon())
    place.wait_line(place.log, "ready")
    for name in ("SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT", "SIGTERM"):
        process.send_signal(getattr(signal, name))
        place.wait_line(place.log, name)
    assert finish(process)[0] == 0


def test_42_shuts_the_daemon_down_in_its_own_way_and_ends_with_42(place):
    process = place.supervise("sleep 300\nsay status restarting 100 1.1.0\nsay end 42\nexit 42\n",
                              *place.daemon(status=3, slowness=0.7))
    began = time.monotonic()
    code, _ = finish(process)
    assert code == 42 and time.monotonic() - began >= 0.7
    assert place.lines(place.log)[1:] == ["SIGTERM"]


@pytest.mark.parametrize("status", [64, 77, 78])
def test_what_a_person_must_mend_is_said_once_and_the_daemon_runs_on(place, status):
    process = place.supervise("note @\nexit %d\n" % status, *place.daemon())
    place.wait_line(place.log, "ready")
    time.sleep(1.5)  # longer than the first delay
    assert process.poll() is None and len(place.lines(place.notes)) == 1
    process.terminate()
    code, said = finish(process)
    assert code == 0 and said.count("runs on without updates") == 1


@pytest.mark.parametrize("end", ["exit 75", "die 9", "binary\npause", "exit 0"])
def test_a_dying_monitor_is_started_again_and_the_daemon_runs_on(place, end):
    process = place.supervise("note @\nsleep 50\n%s\n" % end, *place.daemon())
    place.wait_line(place.log, "ready")
    time.sleep(1.6)
    assert process.poll() is None and len(place.lines(place.notes)) == 2
    process.terminate()
    assert finish(process)[0] == 0
    assert place.lines(place.log)[1:] == ["SIGTERM"]


def test_a_missing_monitor_does_not_take_the_daemon_down(place):
    os.unlink(place.path("bin/moult-monitor"))
    process = place.supervise("", *place.daemon())
    place.wait_line(place.log, "ready")
    process.terminate()
    code, said = finish(process)
    assert code == 0 and "without updates" in said


def test_a_waiting_supervisor_uses_no_processor_time(place):
    process = place.supervise("polite 0\npause\n", *place.daemon())
    place.wait_line(place.log, "ready")

    def ticks():
        with open("/proc/%d/stat" % process.pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    time.sleep(0.2)
    before = ticks()
    time.sleep(1)
    assert ticks() - before <= 1
    process.terminate()
    finish(process)


def test_a_killed_supervisor_leaves_no_daemon_behind(place):
    process = place.supervise("polite 0\nnote @\npause\n", *place.daemon())
    place.wait_line(place.log, "ready")
    monitor = int(place.wait_line(place.notes, ""))
    process.kill()
    place.wait_line(place.log, "SIGTERM")
    os.kill(monitor, signal.SIGTERM)  # the real one watches its parent; the puppet does not
    finish(process)


def test_the_daemon_inherits_nothing_of_the_supervisor(place):
    script = "import os; print(sorted(os.listdir('/proc/self/fd')), open('/proc/self/status').read(), sep='\\n')"
    process = place.supervise("polite 0\npause\n", sys.executable, "-c", script, stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=SOON_S)
    assert said.startswith("['0', '1', '2', '3']\n")  # 3 is the listing's own
    assert "SigBlk:\t0000000000000000" in said


# ---- the library ----


def skip_with_sanitizers():
    """Their runtime is a library too, and wants to be the first one loaded."""
    if "san" in os.path.basename(BUILD):
        pytest.skip("a build with sanitizers")


def test_the_shared_library_exports_its_four_functions_and_no_more(place):
    skip_with_sanitizers()
    library = os.path.join(BUILD, "libmoult.so.0")
    said = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1].split("@")[0] for line in said.splitlines() if " T " in line}
    assert names == {"moult_start", "moult_fd", "moult_next", "moult_stop"}
    needed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    assert [line for line in needed.splitlines() if "NEEDED" in line and "libc.so" not in line] == []


def test_the_shared_library_can_be_opened_by_a_program_that_runs(place):
    skip_with_sanitizers()
    script = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).moult_fd(None))"
    done = subprocess.run([sys.executable, "-c", script, os.path.join(BUILD, "libmoult.so.0")], capture_output=True,
                          text=True)
    assert done.stdout == "-1\n", done.stderr
