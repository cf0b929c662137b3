"""kill -9 of anything at any step, then a plain start: what was promised holds, and the update is completed once."""

import os
import subprocess
import time

import pytest

import events
from redis_peers import FakeRedis, HonestAnswers
from remotes import GitDaemon


def parse_state(world):
    """Every state file is whole."""
    world.history()
    state = world.migration_state()
    assert state is None or state["applied"] == sorted(state["applied"])
    world.read_status_file()


def kill(world, supervisor, who):
    monitor, executor = supervisor.monitor, world.executor
    victims = {"monitor": [monitor], "executor": [executor], "both": [monitor, executor]}[who]
    for pid in victims:
        if pid:
            events.end(pid)


def holds(world, supervisor, version="1.1.0", daemons=1):
    """The six promises, once the supervised daemon has been left to itself."""
    supervisor.wait_restart(daemons)
    status = world.wait_status("deployed", version=version)
    assert status["commit"] == world.oids[version] == world.head()
    assert supervisor.daemon_codes.count(42) == daemons and supervisor.versions[-1] == version
    assert world.installed == version
    assert not world.signal_is_there()
    assert world.git("status", "--porcelain") == ""
    parse_state(world)
    for line in set(world.trace):
        assert line.startswith("install") or world.trace.count(line) == 1, f"{line} ran twice"
    world.git("fsck", "--connectivity-only")


def release(world, **more):
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", **more),
                            "002_b": world.shell_migration("1.1.0/002_b")})


WHO = ["monitor", "executor", "both"]


@pytest.mark.parametrize("who", WHO)
def test_killed_while_waiting_for_a_signal(world, who):
    release(world)
    supervisor = world.start("again")
    world.wait_log(".")
    events.wait_until(lambda: world.executor, [], "the executor runs")
    kill(world, supervisor, who)
    supervisor.wait(lambda: len(supervisor.pairs) == 2, "another pair")
    world.announce("1.1.0")
    holds(world, supervisor)


@pytest.mark.parametrize("who", WHO)
def test_killed_during_the_fetch(world, who):
    remote = world.peer(GitDaemon(world))
    world.configure("deploy.remote=" + remote.url)
    release(world)
    remote.hold()
    supervisor = world.start("again")
    world.announce("1.1.0")
    remote.wait_connections(1)
    kill(world, supervisor, who)
    remote.release()
    holds(world, supervisor)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("kind", ["python", "shell"])
def test_killed_during_a_migration(world, who, kind):
    gate = world.gate("m")
    if kind == "python":
        release(world, body=gate.python)
    else:
        world.release("1.1.0", {"001_a": world.shell_migration("1.1.0/001_a", gate.shell)})
    supervisor = world.start("again")
    world.announce("1.1.0")
    pid = gate.wait()
    kill(world, supervisor, who)
    events.wait_gone(pid)
    gate.leave_open()
    holds(world, supervisor)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_during_the_install(world, who, where):
    gate = world.gate("i")
    world.put("Makefile", world.makefile(**{where: gate.shell}))
    release(world)
    supervisor = world.start("again")
    world.announce("1.1.0")
    gate.wait()
    kill(world, supervisor, who)
    gate.leave_open()
    holds(world, supervisor)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("step", ["preflight", "fetch", "verify", "checkout", "migrate", "install", "finish"])
def test_killed_as_soon_as_a_step_is_told(world, who, step):
    """The kill comes a moment after the word: wherever it hits, the same holds."""
    release(world)
    supervisor = world.start("again")
    world.announce("1.1.0")
    deadline = events.Deadline(10)
    while not any(s.get("step") == step or s["status"] == "deployed" for s in world.seen):
        deadline.check(f"the step {step}")
        world.read_stream(deadline.left() * 1000)
    kill(world, supervisor, who)
    holds(world, supervisor)


@pytest.mark.parametrize("who", ["monitor", "executor", "both", "service"])
@pytest.mark.parametrize("tenth", range(10))
def test_killed_at_any_moment(world, who, tenth):
    """A row of moments over the length of an update; the service is the daemon with all below it."""
    release(world)
    supervisor = world.start("again")
    world.wait_log(".")
    world.announce("1.1.0")
    time.sleep(0.04 * tenth)
    if who == "service":
        supervisor.kill()
        before = list(supervisor.daemon_codes)
        second = world.start("again")
        world.wait_status("deployed", version="1.1.0")
        assert before.count(42) + second.daemon_codes.count(42) <= 1
        assert world.installed == "1.1.0" and not world.signal_is_there()
        for line in ("migrate 1.1.0/001_a", "migrate 1.1.0/002_b"):
            assert world.trace.count(line) == 1
        parse_state(world)
    else:
        kill(world, supervisor, who)
        holds(world, supervisor)


def test_an_interrupted_run_is_reported_before_it_is_run_again(world):
    gate = world.gate("i")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    first = world.start()
    world.announce("1.1.0")
    gate.wait()
    first.kill()
    gate.leave_open()
    second = world.start()
    status = world.wait_status("update_failed")
    assert status["reason"] == "interrupted" and status["to"] == "1.1.0"
    second.wait_restart()
    deployed = world.wait_status("deployed")
    assert deployed["attempt"] == 2


def test_three_interruptions_hold_until_a_person_says_retry(world):
    gate = world.gate("i")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    world.announce("1.1.0")
    for _ in range(3):
        supervisor = world.start()
        gate.wait()
        supervisor.kill()
    since = world.mark()
    supervisor = world.start()
    status = world.wait_status("update_failed", since=since, held=True)
    assert status["reason"] == "interrupted"
    assert world.signal_is_there() and world.trace == []
    gate.leave_open()
    assert world.run("retry", "-f", world.conf).returncode == 0
    supervisor.wait_restart()
    assert world.trace == ["install 1.1.0"]


def test_three_interruptions_hold_until_the_signal_changes(world):
    gate = world.gate("i")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    world.announce("1.1.0")
    for _ in range(3):
        supervisor = world.start()
        gate.wait()
        supervisor.kill()
    since = world.mark()
    world.release("1.2.0", files={"Makefile": world.makefile()})
    supervisor = world.start()
    world.wait_status("update_failed", since=since, held=True)
    world.update("1.2.0")
    assert world.trace == ["install 1.2.0"]


# ---- the restart that is owed

@pytest.fixture
def silent_at_the_end(world):
    """A Redis that stops answering at the word `restarting`: the monitor then waits its short time before 42."""
    class Silent(HonestAnswers):
        def __call__(self, connection, words):
            return b"" if "restarting" in str(words) else super().__call__(connection, words)
    fake = world.peer(FakeRedis(world.root, Silent()))
    world.configure("redis.url=unix://" + fake.path)
    return fake


def kill_before_42(world, fake, supervisor):
    world.release("1.1.0")
    world.announce("1.1.0")
    fake.wait(lambda f: any("restarting" in str(c) for c in f.commands), "restarting is told")
    events.end(supervisor.monitor)
    assert supervisor.wait_pair_code() == -9
    assert not world.signal_is_there()


def test_death_between_the_commit_and_exit_42_gives_42_to_the_same_daemon(world, silent_at_the_end):
    supervisor = world.start("again")
    kill_before_42(world, silent_at_the_end, supervisor)
    supervisor.wait_restart()
    assert supervisor.pair_codes[:2] == [-9, 42]
    world.wait_status_file("deployed", version="1.1.0")
    assert world.trace == ["install 1.1.0"]


def test_death_between_the_commit_and_exit_42_is_deployed_for_a_new_daemon(world, silent_at_the_end):
    first = world.start()
    kill_before_42(world, silent_at_the_end, first)
    first.stop()
    second = world.start()
    status = world.wait_status_file("deployed", version="1.1.0")
    assert status["commit"] == world.oids["1.1.0"]
    assert second.daemon_codes == [] and second.pair_codes == []
    assert world.trace == ["install 1.1.0"]


def test_a_daemon_that_does_not_restart_gets_42_at_most_three_times_more_and_then_a_failure(world):
    world.release("1.1.0")
    supervisor = world.start("deaf")
    world.announce("1.1.0")
    assert supervisor.wait_pair_code() == 42
    for _ in range(6):
        count = len(supervisor.pair_codes)
        supervisor.start_pair()
        supervisor.wait(lambda: len(supervisor.pair_codes) > count
                        or (world.read_status_file() or {}).get("reason") == "restart_unconfirmed",
                        "42 or restart_unconfirmed", look_s=0.05)
        if len(supervisor.pair_codes) == count:
            break
    assert set(supervisor.pair_codes) == {42} and 3 <= len(supervisor.pair_codes) <= 4
    status = world.wait_status("update_failed", reason="restart_unconfirmed")
    assert status["held"] is True
    assert events.is_alive(supervisor.monitor)
    assert world.trace == ["install 1.1.0"]


def test_a_daemon_that_was_restarted_by_someone_else_is_deployed_without_42(world):
    world.release("1.1.0")
    first = world.start(restarts=False)
    world.announce("1.1.0")
    first.wait(lambda: first.daemon_codes == [42], "exit 42")
    second = world.start()
    world.wait_status("deployed", version="1.1.0")
    assert second.pair_codes == [] and len(second.daemons) == 1


def test_a_moult_started_again_tells_deployed_again_and_does_nothing_twice(world):
    world.release("1.1.0")
    first = world.start()
    run = world.update("1.1.0")["run"]
    since = world.mark()
    first.stop()
    second = world.start()
    assert world.wait_status("deployed", since=since)["run"] == run
    assert second.pair_codes == [] and world.trace == ["install 1.1.0"]


# ---- locks

LOCKS = ["index.lock", "HEAD.lock", "packed-refs.lock", "refs/heads/main.lock", "refs/tags/v1.1.0.lock", "shallow.lock",
         "config.lock"]


def test_stale_locks_of_a_killed_git_are_named_and_removed(world):
    world.release("1.1.0")
    for name in LOCKS:
        open(os.path.join(world.repo, ".git", name), "w").close()
    world.start()
    world.update("1.1.0")
    for name in LOCKS[:6]:
        assert name in world.text_of_log()
        assert not os.path.exists(os.path.join(world.repo, ".git", name))


def test_alpha_gets_over_a_stale_lock_of_its_branch(world):
    world.release("1.1.0", tag=False)
    open(os.path.join(world.repo, ".git", "refs", "heads", "main.lock"), "w").close()
    world.start()
    world.update("1.1.0", channel="alpha")


@pytest.mark.untidy
def test_the_lock_of_a_living_git_is_respected(world):
    gate = world.gate("editor")
    world.release("1.1.0")
    editor = os.path.join(world.root, "editor")
    with open(editor, "w") as f:
        f.write(f"#!/bin/sh\n{gate.shell}\nexit 1\n")
    os.chmod(editor, 0o755)
    git = subprocess.Popen(["git", "commit", "-q", "-a", "--allow-empty"], cwd=world.repo,
                           env={**world.env, "GIT_EDITOR": editor}, stderr=subprocess.DEVNULL,
                           **world.as_owner(world.repo))
    gate.wait()
    lock = os.path.join(world.repo, ".git", "index.lock")
    assert os.path.exists(lock)
    world.start()
    status = world.fails("1.1.0", reason="busy", seconds=60)
    assert "retry_at" in status and os.path.exists(lock)
    gate.open()
    git.wait()
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()
    assert world.installed == "1.1.0"


def test_rubbish_of_a_cut_off_fetch_is_removed(world):
    world.release("1.1.0")
    pack = os.path.join(world.repo, ".git", "objects", "pack")
    os.makedirs(pack, exist_ok=True)
    left = os.path.join(pack, "tmp_pack_abc123")
    with open(left, "w") as f:
        f.write("PACK")
    os.utime(left, (1, 1))
    world.start()
    world.update("1.1.0")
    assert not os.path.exists(left)


def test_a_second_instance_waits_ends_with_75_and_names_the_owner(world):
    supervisor = world.start()
    world.wait_log(".")
    executor = events.wait_until(lambda: world.executor, [], "the executor runs")
    begun = time.monotonic()
    second = world.run("run", "-f", world.conf, seconds=25)
    assert second.returncode == 75
    assert 4 <= time.monotonic() - begun <= 15
    assert str(executor) in second.stderr or str(supervisor.monitor) in second.stderr
    world.release("1.1.0")
    world.update("1.1.0")


def test_the_successor_waits_for_the_lock_of_the_dying_one(world):
    """Right after a kill the old executor may need a moment to let go: the new pair does not give up."""
    supervisor = world.start("again")
    world.wait_log(".")
    for count in range(1, 6):
        events.wait_until(lambda: world.executor, [], "the executor runs")
        events.end(supervisor.monitor)
        supervisor.wait(lambda: len(supervisor.pairs) > count, "the next pair")
    world.release("1.1.0")
    world.update("1.1.0")
    assert 75 not in supervisor.pair_codes


# ---- retry and hold

def test_the_first_retry_comes_within_a_minute_and_not_at_once(world):
    world.release("1.1.0", tag=False)
    world.start()
    status = world.fails("1.1.0", reason="tag_missing")
    assert 20 <= status["retry_at"] - status["timestamp"] <= 61
    assert status.get("held") is not True


def test_a_failure_that_changed_nothing_is_tried_again_by_itself_with_growing_delays(world):
    world.configure("limits.retry_s=1")
    oid = world.release("1.1.0", tag=False)
    supervisor = world.start()
    since = world.mark()
    world.announce("1.1.0")
    failures = [world.wait_status("update_failed", since=since, attempt=n) for n in (1, 2, 3)]
    delays = [f["retry_at"] - f["timestamp"] for f in failures]
    for delay, most in zip(delays, (1, 2, 4)):
        assert most / 2 - 0.1 <= delay <= most + 0.1, delays
    world.git("tag", "v1.1.0", oid, cwd=world.remote)
    supervisor.wait_restart()
    assert world.wait_status("deployed", since=since)["attempt"] >= 4


def test_the_delay_of_a_retry_survives_a_restart_of_moult(world):
    remote = world.peer(GitDaemon(world))
    world.configure("deploy.remote=" + remote.url)
    world.release("1.1.0", tag=False)
    first = world.start()
    before = world.fails("1.1.0", reason="tag_missing")
    first.stop()
    count, since = remote.accepted, world.mark()
    world.start()
    after = world.wait_status("update_failed", since=since)
    assert abs(after["retry_at"] - before["retry_at"]) < 3
    assert after["attempt"] == before["attempt"] and remote.accepted == count


def test_a_hold_survives_a_restart_of_moult_and_the_same_text_in_a_new_file(world):
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body="return False")})
    first = world.start()
    run = world.fails("1.1.0", reason="migration_failed")["run"]
    first.stop()
    since = world.mark()
    world.start()
    status = world.wait_status("update_failed", since=since)
    assert status["held"] is True and status["run"] == run
    since = world.mark()
    world.announce("1.1.0")
    status = world.wait_status("update_failed", since=since)
    assert status["held"] is True and status["run"] == run


def test_a_hold_ends_with_a_changed_signal(world):
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body="return False")})
    first = world.start()
    world.fails("1.1.0", reason="migration_failed")
    first.stop()
    world.start()
    world.put("migrations/v1.1.0/001_a.py", world.python_migration("1.1.0/001_a"))
    world.release("1.1.1")
    world.update("1.1.1")
    assert world.trace == ["migrate 1.1.0/001_a", "install 1.1.1"]


def test_a_hold_ends_with_a_retry_by_hand(world):
    mark = os.path.join(world.work, "may")
    world.release("1.1.0", {"001_a.py": world.python_migration(
        "1.1.0/001_a", body=f"if not os.path.exists({mark!r}):\n    return False")})
    supervisor = world.start()
    world.fails("1.1.0", reason="migration_failed")
    open(mark, "w").close()
    assert world.run("retry", "-f", world.conf).returncode == 0
    supervisor.wait_restart()
    assert world.wait_status("deployed")["attempt"] == 1, "a person has looked: counting begins anew"
    assert os.listdir(world.signals) == []


def test_a_damaged_journal_is_set_aside_and_never_leads_to_42_by_itself(world):
    world.release("1.1.0")
    first = world.start()
    world.update("1.1.0")
    first.stop()
    path = os.path.join(world.state, "journal")
    with open(path, "rb") as f:
        data = bytearray(f.read())
    for name, damaged in {"empty": b"", "cut": bytes(data[:len(data) // 2]), "noise": os.urandom(300),
                          "edited": bytes(data).replace(b"1.1.0", b"1.1.9", 1)}.items():
        with open(path, "wb") as f:
            f.write(damaged)
        before = len(world.text_of_log())
        supervisor = world.start()
        events.wait_until(lambda: (world.read_status_file() or {}).get("pid") == supervisor.monitor,
                          [os.path.dirname(world.status_file)], "the new monitor tells its status")
        assert world.ask() == "1.1.0"
        supervisor.stop()
        assert supervisor.daemon_codes == [0] and supervisor.pair_codes == [0]
        told = world.text_of_log()[before:]
        assert name == "cut" or "journal: it is damaged" in told, f"{name}: a cut tail alone is what a crash leaves"
    world.release("1.2.0")
    world.start()
    world.update("1.2.0", current="1.1.0")
    assert world.installed == "1.2.0"


def test_a_git_that_is_killed_fails_its_step_and_the_retry_works(world):
    remote = world.peer(GitDaemon(world))
    world.configure("deploy.remote=" + remote.url)
    world.release("1.1.0")
    remote.hold()
    supervisor = world.start()
    world.announce("1.1.0")
    remote.wait_connections(1)
    git = events.find_descendant(world.executor, "git")
    events.end(git)
    world.wait_status("update_failed", reason="fetch_failed")
    remote.release()
    assert world.run("retry", "-f", world.conf).returncode == 0
    supervisor.wait_restart()
    assert world.installed == "1.1.0"


def test_an_executor_that_is_killed_midway_is_reported_by_the_monitor(world):
    gate = world.gate("i")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    events.end(world.executor)
    status = world.wait_status("update_failed", reason="executor_lost")
    assert status["step"] == "install"
    assert supervisor.wait_pair_code() == 71
    gate.leave_open()


@pytest.mark.slow
def test_a_stopped_executor_is_ended_at_its_deadline_and_not_waited_for_for_ever(world):
    world.configure("limits.install_s=1")
    gate = world.gate("i")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    os.kill(world.executor, 19)
    status = world.wait_status("update_failed", seconds=90, reason="executor_lost")
    assert supervisor.wait_pair_code(seconds=30) == 76
    assert status["status"] == "update_failed"
    gate.leave_open()


def test_the_private_name_of_a_cut_off_taking_away_is_put_back_or_finished(world):
    """A crash between moving the signal aside and looking at it must lose nothing."""
    world.release("1.1.0")
    world.announce("1.1.0")
    os.rename(world.signal, os.path.join(world.signals, ".update_available.json.moult"))
    supervisor = world.start()
    supervisor.wait_restart()
    assert world.installed == "1.1.0" and os.listdir(world.signals) == []
