"""Each half of the pair against a puppet of the other half that lies to it, at every state it can be in.

The real monitor runs with tests/puppets/lying_executor beside it, the real executor below
tests/puppets/lying_monitor. What is expected: whoever is lied to ends with 76, changes nothing, and
leaves no process; end of file is no lie, and an executor's end never makes the monitor exit 42.
A table of all verdicts is printed at the end (not when the tests are distributed over processes).
"""

import os
import shutil
import signal
import socket
import subprocess

import pytest

import events
import world as worlds
from events import Deadline, Late

PUPPETS = os.path.join(worlds.BUILD, "tests/puppets")
LIED_TO, LOST, RESTART = 76, 71, 42
PATIENCE_MS = 400

REPORTS = ["hello", "ready", "interrupted", "owed", "unconfirmed", "deployed", "step", "failed", "held", "changed",
           "done", "stopped"]
MONITOR_STATES = ["STARTING", "GREETED", "WAITING", "ASKED", "RUNNING", "RESTARTING", "STOPPING"]
# What a state may hear (DESIGN 4 and 5); done is right behind the step finish alone.
HEARS = {
    "STARTING": {"hello"},
    "GREETED": {"ready", "interrupted", "owed", "unconfirmed", "deployed"},
    "WAITING": set(),
    "ASKED": {"step", "failed", "held", "changed"},
    "RUNNING": {"step", "failed"},
    "RESTARTING": {"stopped"},
    "STOPPING": {"step", "failed", "held", "changed", "stopped"},
}
UNFIT = {
    "STARTING": ["other_build"],
    "ASKED": ["other_channel", "no_run", "step_check", "step_restart", "step_back", "done_early"],
    "RUNNING": ["other_channel", "other_run", "no_run", "step_check", "step_restart", "step_back", "done_early"],
    "STOPPING": ["other_channel", "other_run", "no_run", "step_back", "done_early"],
}
ENDS = ["eof", "empty", "exit:0", "exit:42", "exit:70", "exit:76", "exit:78", "die:9", "die:31"]
RELAYED = {"exit:70": 70, "exit:76": 76, "exit:78": 78}
EXECUTOR_STATES = ["IDLE", "RUNNING", "CLEARING", "ABORTING", "OWED"]
# One of each kind, where all of them have been tried in another state.
FEW_FIELDS = {"field:run.channel.end", "field:run.available.endless", "field:run.available.behind",
              "field:stop.reserved", "field:step.percent", "field:failed.detail.endless", "field:step.run.behind",
              "field:failed.reason.end", "field:hello.version.next"}


def lies_of(puppet):
    done = subprocess.run([os.path.join(PUPPETS, puppet), "list"], stdout=subprocess.PIPE, check=True, timeout=10)
    return done.stdout.decode().split()


@pytest.fixture(scope="module")
def table(request):
    """Rows of what was seen, printed when all is done."""
    rows = []
    yield rows
    plugins = request.config.pluginmanager
    reporter = plugins.getplugin("terminalreporter")
    if reporter:
        with plugins.getplugin("capturemanager").global_and_fixture_disabled():
            reporter.write_line("")
            for row in rows:
                reporter.write_line("%-9s %-10s %-28s %s" % row)


class Verdicts:
    """What one victim did in one state; told all at once."""

    def __init__(self, table, victim, state):
        self.table, self.victim, self.state = table, victim, state
        self.wrong = []

    def add(self, lie, seen, due, log=""):
        self.table.append((self.victim, self.state, lie, seen))
        if seen != due:
            self.wrong.append(f"{self.victim} {self.state} {lie}: {seen}, not {due}\n{log}")

    def check(self):
        assert not self.wrong, "\n".join(self.wrong)


def below():
    return [p for p in events.descendants(os.getpid()) if events.name_of(p) != "redis-server"]


def assert_nothing_lives(what):
    deadline = Deadline(10)
    while below():
        if not deadline.left():
            left = [f"{p} {events.command_of(p)}" for p in below()]
            for pid in below():
                events.end(pid)
            raise Late(f"left after {what}: {left}")
        try:
            events.wait_gone(below()[0], 0.2)
        except (Late, IndexError):
            pass
    for pid in events.all_pids():
        if events.parent_of(pid) == os.getpid() and not events.is_alive(pid):
            events.reap(pid)


# ---- the monitor as the victim ----


class MonitorStage:
    """A directory with the real monitor, and the puppet under the executor's name."""

    def __init__(self, world):
        self.world = world
        self.bin = os.path.join(world.root, "bin")
        os.mkdir(self.bin)
        shutil.copy(os.path.join(worlds.BUILD, "moult-monitor"), self.bin)
        shutil.copy(os.path.join(PUPPETS, "lying_executor"), os.path.join(self.bin, "moult-executor"))
        self.log = os.path.join(world.root, "monitor.log")

    def start(self, state, lie):
        with open(os.path.join(self.bin, "lie"), "w") as f:
            f.write(f"{state} {lie}\n")
        with open(self.log, "w") as log:
            return subprocess.Popen([os.path.join(self.bin, "moult-monitor"), "-f", self.world.conf],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.world.env, cwd="/")

    def said(self):
        with open(self.log) as f:
            return f.read()

    def tell(self, state, lie, lives=False):
        """The monitor's exit status; or, where it is to live, what it ends with when the puppet is killed."""
        process = self.start(state, lie)
        try:
            if lives:
                try:
                    return str(process.wait(PATIENCE_MS / 1000))
                except subprocess.TimeoutExpired:
                    events.end(events.find_descendant(process.pid, "moult-executor"))
                    return f"lives, then {process.wait(20)}"
            return str(process.wait(20))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def monitor_lies(state):
    """(lie, what is due, whether it is to live through it)"""
    ended = RESTART if state == "RESTARTING" else LOST
    for lie in lies_of("lying_executor"):
        if lie.startswith("field:") and state not in ("STARTING", "RUNNING") and lie not in FEW_FIELDS:
            continue
        if lie not in ("eof", "empty", "silence", "flood"):
            yield lie, str(LIED_TO), False
    for lie in ENDS:
        yield lie, str(ended if state == "RESTARTING" else RELAYED.get(lie, ended)), False
    for report in REPORTS:
        if report not in HEARS[state]:
            yield "send:" + report, str(LIED_TO), False
    for lie in UNFIT.get(state, []):
        yield lie, str(LIED_TO), False
    lives = f"lives, then {LOST}"
    if state == "RESTARTING":
        yield "silence", str(RESTART), False
        yield "send:stopped", str(RESTART), False  # the answer to a stop that crossed with done
    elif state != "STOPPING":
        yield "silence", lives, True
    if state in ("ASKED", "RUNNING", "STOPPING"):
        yield "flood", lives, True  # of reports that are right
    else:
        yield "flood", str(LIED_TO), False
    if state == "GREETED":
        yield "send:owed", str(RESTART), False
    if state == "STOPPING":
        yield "send:stopped", "0", False


@pytest.mark.without_redis
@pytest.mark.parametrize("state", MONITOR_STATES)
def test_a_lying_executor_ends_the_monitor(world, table, state):
    verdicts = Verdicts(table, "monitor", state)
    stage = MonitorStage(world)
    deaf = socket.socket(socket.AF_UNIX)
    with deaf:
        if state == "RESTARTING":  # a Redis that does not answer keeps the monitor in it for its 300 ms
            deaf.bind(os.path.join(world.root, "deaf.sock"))
            os.chmod(os.path.join(world.root, "deaf.sock"), 0o777)  # the monitor may be another user
            os.chmod(os.path.join(world.root, "deaf.sock"), 0o777)  # the monitor may be another user
            deaf.listen(64)
            world.configure(f"redis.url=unix://{world.root}/deaf.sock")
        for lie, due, lives in monitor_lies(state):
            if state != "WAITING":
                world.announce("1.1.0")
            before = signal_of(world)
            seen = stage.tell(state, lie, lives)
            log = stage.said()
            if signal_of(world) != before:
                seen += ", the signal changed"
            if due == str(LIED_TO) and not lie.startswith("exit:") and "exit 42" in log:
                seen += ", said 42"
            if lie.startswith("field:") and "a bad message" not in log:
                seen += ", not for the field"
            if lie.startswith("send:") and due == str(LIED_TO) and not tells_the_moment(log, lie[5:], state):
                seen += ", not for the moment"
            verdicts.add(lie, seen, due, log)
            assert_nothing_lives(f"{state} {lie}")
    verdicts.check()


def tells_the_moment(log, report, state):
    if f"reported {report.upper()} while the monitor was {state}" in log:
        return True
    return report == "done" and "reports done after" in log


def signal_of(world):
    if not os.path.exists(world.signal):
        return None
    st = os.stat(world.signal)
    with open(world.signal, "rb") as f:
        return st.st_ino, st.st_mtime_ns, f.read()


@pytest.mark.slow
@pytest.mark.without_redis
def test_an_executor_that_never_says_hello_is_given_15_seconds(world, table):
    """The other limits (60 s for the second report and for an answer, 30 s to stop) are the same timer."""
    verdicts = Verdicts(table, "monitor", "STARTING")
    stage = MonitorStage(world)
    process = stage.start("STARTING", "silence")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(14)
    verdicts.add("silence, 15 s", str(process.wait(5)), str(LIED_TO), stage.said())
    assert_nothing_lives("silence")
    verdicts.check()


# ---- the executor as the victim ----

RUNNER = """#!/bin/sh
# The runner of the gap, with a process that leaves its session: says that it runs, and waits.
setsid sh -c '{deaf_child} echo $$ > {up}; while :; do sleep 60 & wait; done' &
{deaf}
read -r line < {go}
exit 0
"""
# Where it is not to end when it is asked to, it says so instead.
DEAF = "trap 'echo $$ > {aborted}' TERM"
DEAF_CHILD = 'trap "echo \\$\\$ > {cleared}" TERM;'


class ExecutorStage:
    """The real executor below a puppet; the runner of the gap shows the test where it is."""

    def __init__(self, world, state):
        self.world, self.state = world, state
        self.log = os.path.join(world.root, "executor.log")
        self.up, self.cleared, self.aborted = world.gate("up"), world.gate("cleared"), world.gate("aborted")
        world.release("1.1.0")
        if state in ("RUNNING", "CLEARING", "ABORTING"):
            runner = os.path.join(world.root, "runner")
            deaf = state != "RUNNING"
            with open(runner, "w") as f:
                f.write(RUNNER.format(up=self.up.at, go=self.up.go,
                                      deaf=DEAF.format(aborted=self.aborted.at) if deaf else "",
                                      deaf_child=DEAF_CHILD.format(cleared=self.cleared.at) if deaf else ""))
            os.chmod(runner, 0o755)
            world.configure(f"deploy.migrate_command={runner}")

    def reset(self):
        """The checkout at 1.0.0, an announcement, and a moult that remembers nothing."""
        for name in ("journal", "migration_state.json", "history.jsonl"):
            path = os.path.join(self.world.state, name)
            if os.path.exists(path):
                os.unlink(path)
        self.world.git("checkout", "-q", "--force", "--detach", "v1.0.0")
        self.world.announce("1.1.0")

    def snapshot(self):
        """All that an executor could change, but the log of what its step says."""
        seen = {"head": self.world.git("rev-parse", "HEAD")}
        for top in (self.world.state, self.world.signals, self.world.prefix):
            for directory, names, files in os.walk(top):
                names[:] = [n for n in names if n not in ("log", "tmp", "git")]
                for name in files:
                    path = os.path.join(directory, name)
                    with open(path, "rb") as f:
                        seen[path] = f.read()
        return seen

    def arrive(self, puppet):
        """Brings the executor to the state, and the puppet to its lie."""
        if self.state in ("RUNNING", "CLEARING", "ABORTING"):
            self.up.wait()
        if self.state == "CLEARING":
            self.up.open()
            self.cleared.wait()
        if self.state == "ABORTING":
            puppet.stdin.write(b"stop\n")
            puppet.stdin.flush()
            self.aborted.wait()

    def tell(self, lie, look=None):
        """What the executor did, and whether anything changed through it; look() is called behind the lie."""
        with open(self.log, "w") as log:
            puppet = subprocess.Popen(
                [os.path.join(PUPPETS, "lying_monitor"), os.path.join(worlds.BUILD, "moult-executor"),
                 self.world.conf, self.state, lie, str(PATIENCE_MS)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self.world.env, cwd="/")
        try:
            for line in puppet.stdout:
                if line == b"ready\n":
                    break
            self.arrive(puppet)
            before = self.snapshot()
            puppet.stdin.write(b"lie\n")
            puppet.stdin.flush()
            if look:
                look()
            rest = puppet.communicate(timeout=40)[0].decode().splitlines()
            after = self.snapshot()
            changed = sorted(p for p in {**before, **after} if before.get(p) != after.get(p))
        finally:
            if puppet.poll() is None:
                puppet.kill()
                puppet.wait()
        seen = ", ".join(row for row in rest if row != "said step")
        return seen + (", changed " + " ".join(map(os.path.basename, changed)) if changed else "")

    def said(self):
        with open(self.log) as f:
            return f.read()


def executor_lies(state):
    died = f"exit {LIED_TO}"
    for lie in lies_of("lying_monitor"):
        if lie.startswith("field:") and state != "IDLE" and lie not in FEW_FIELDS:
            continue
        if lie not in ("eof", "empty", "silence", "flood"):
            yield lie, died
    for report in ("ready", "done"):
        yield "send:" + report, died
    if state != "ABORTING":  # see below
        yield "eof", "exit 0"
    if state not in ("CLEARING", "ABORTING"):  # the same to the executor as its end of file; there it takes 10 s
        yield "empty", "exit 0"
    if state == "IDLE":
        yield "stale", "said changed, lives, exit 0"
        yield "silence", "lives, exit 0"
        yield "send:stop", "said stopped, exit 0"
        yield "stale_flood", died
    else:
        yield "send:run", died
        yield "flood", died
    if state == "OWED":
        yield "silence", "lives, exit 0"
        yield "send:stop", "said stopped, exit 0"


@pytest.mark.without_redis
@pytest.mark.untidy
@pytest.mark.parametrize("state", EXECUTOR_STATES)
def test_a_lying_monitor_ends_the_executor(world, table, state):
    verdicts = Verdicts(table, "executor", state)
    stage = ExecutorStage(world, state)
    for lie, due in executor_lies(state):
        stage.reset()
        seen = stage.tell(lie)
        log = stage.said()
        if "flood" in lie:
            seen = seen.replace("said changed, ", "")
        if lie == "empty":
            seen = seen.replace("lives, ", "")  # until its step has ended
        if lie.startswith("field:") and "a bad message" not in log:
            seen += ", not for the field"
        if lie == "send:run" and due.endswith("76") and f"sent RUN in state {state}" not in log:
            seen += ", not for the moment"
        try:
            assert_nothing_lives(f"{state} {lie}")
        except Late as late:
            seen += f", {late}"
        verdicts.add(lie, seen, due, log)
    verdicts.check()


def cpu_seconds(pid):
    fields = events.stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.without_redis
@pytest.mark.untidy
def test_an_executor_whose_monitor_is_gone_waits_for_its_step_without_spinning(world):
    """Stop, then end of file, while a step ignores TERM for the whole 10 s of its grace."""
    spent = []

    def look():
        pid = events.find_descendant(os.getpid(), "moult-executor")
        before = cpu_seconds(pid)
        with pytest.raises(Late):
            events.wait_gone(pid, 2)
        spent.append(cpu_seconds(pid) - before)

    stage = ExecutorStage(world, "ABORTING")
    stage.reset()
    assert stage.tell("eof", look) == "exit 0, changed history.jsonl journal", stage.said()
    assert_nothing_lives("eof")
    assert spent[0] < 0.3
