"""The requirement's own list: each item one test, with a real daemon, git, make and Redis."""

import os
import re
import time

import pytest

import events
from world import COMPUTER, WORDS


def test_the_signal_file_triggers_the_update_by_itself(world):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.start()
    assert world.ask() == "1.0.0"
    world.update("1.1.0")
    world.wait_answer("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]
    assert world.head() == world.oids["1.1.0"]


def test_a_signal_that_is_there_before_the_start_is_acted_on(world):
    world.release("1.1.0")
    world.announce("1.1.0")
    supervisor = world.start()
    supervisor.wait_restart()
    world.wait_status("deployed", version="1.1.0")
    assert world.installed == "1.1.0"


def test_a_signal_written_in_place_is_acted_on_too(world):
    world.release("1.1.0")
    supervisor = world.start()
    world.wait_log(".")
    with open(world.signal, "w") as f:
        f.write(world.signal_text("1.1.0"))
    supervisor.wait_restart()
    assert world.installed == "1.1.0"


def test_two_updates_follow_each_other_each_with_its_own_restart(world):
    world.release("1.1.0")
    supervisor = world.start()
    world.update("1.1.0")
    world.release("1.2.0")
    world.update("1.2.0", current="1.1.0")
    assert supervisor.daemon_codes == [42, 42]
    assert supervisor.versions == ["1.0.0", "1.1.0", "1.2.0"]


def test_alpha_fast_forwards_the_branch_and_stays_on_it(world):
    oid = world.release("1.1.0", tag=False)
    world.start()
    world.update("1.1.0", channel="alpha")
    assert world.head() == oid
    assert not world.head_is_detached()
    assert world.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert world.git("status", "--porcelain") == ""


def test_alpha_goes_to_an_announced_commit_by_its_full_id(world):
    oid = world.release("1.1.0", tag=False)
    world.configure("deploy.version=file VERSION")
    world.start()
    status = world.update(oid, channel="alpha")
    assert world.head() == oid
    assert status["version"] == "1.1.0"


def test_alpha_that_does_not_fast_forward_is_logged_reported_skipped_and_never_forced(world):
    world.git("commit", "-q", "--allow-empty", "-m", "a local commit")
    mine = world.head()
    world.release("1.1.0", tag=False)
    world.start()
    status = world.fails("1.1.0", channel="alpha", reason="diverged")
    assert status["retry_at"] > time.time()
    assert world.head() == mine
    assert world.trace == []
    assert world.ask() == "1.0.0"
    world.wait_log("(?i)fast-forward")


def test_alpha_whose_upstream_was_rewritten_is_never_forced(world):
    before = world.head()
    world.release("1.1.0", tag=False, onto="")
    world.start()
    world.fails("1.1.0", channel="alpha", reason="diverged")
    assert world.head() == before
    assert world.trace == []


@pytest.mark.parametrize("channel", ["beta", "stable"])
def test_beta_and_stable_check_the_tag_out_detached(world, channel):
    oid = world.release("1.1.0")
    world.release("1.2.0")
    world.start()
    world.update("1.1.0", channel=channel)
    assert world.head() == oid
    assert world.head_is_detached()
    assert world.git("status", "--porcelain") == ""
    assert world.git("tag", "--points-at", oid) == "v1.1.0"


def test_beta_and_stable_fetch_all_tags(world):
    world.release("1.1.0")
    world.release("1.2.0-rc.1", branch="next")
    world.start()
    world.update("1.1.0")
    assert world.git("tag").split() == ["v1.0.0", "v1.1.0", "v1.2.0-rc.1"]


def test_a_leading_v_in_the_announced_version_means_the_same_tag(world):
    oid = world.release("1.1.0")
    world.start()
    world.update("v1.1.0", current="v1.0.0")
    assert world.head() == oid


def test_migrations_run_for_the_gap_only_and_in_order_across_versions(world):
    make = world.python_migration
    world.release("0.9.0", {"001_old.py": make("0.9.0/001_old")}, tag=False)
    world.release("1.0.0", {"001_old.py": make("1.0.0/001_old")}, tag=False)
    world.release("1.9.0", {"002_b.py": make("1.9.0/002_b"), "001_z.py": make("1.9.0/001_z")})
    world.release("1.10.0-rc.1", {"001_rc.py": make("1.10.0-rc.1/001_rc")}, tag=False)
    world.release("1.10.0", {"001_a.py": make("1.10.0/001_a"), "001_b.py": make("1.10.0/001_b")})
    world.release("1.11.0", {"001_next.py": make("1.11.0/001_next")}, tag=False)
    world.release("1.10.1", {"010_last.py": make("1.10.1/010_last")})
    world.start()
    world.update("1.10.1")
    assert world.trace == [
        "migrate 1.9.0/001_z", "migrate 1.9.0/002_b", "migrate 1.10.0-rc.1/001_rc", "migrate 1.10.0/001_a",
        "migrate 1.10.0/001_b", "migrate 1.10.1/010_last", "install 1.10.1"]


def test_a_migration_whose_check_says_applied_is_skipped(world):
    world.release("1.1.0", {
        "001_done.py": world.python_migration("1.1.0/001_done", check="return True"),
        "002_due.py": world.python_migration("1.1.0/002_due")})
    world.start()
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/002_due", "install 1.1.0"]
    assert world.migration_state()["applied"] == ["1.1.0/001_done.py", "1.1.0/002_due.py"]


def test_install_runs_after_the_code_and_the_migrations_and_is_of_the_new_version(world):
    world.release("1.1.0", {"001_first.sh": world.shell_migration("1.1.0/001_first")})
    world.start()
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]
    assert world.installed == "1.1.0"


def test_the_install_command_is_configurable_and_reads_nothing_from_its_input(world):
    world.release("1.1.0", files={"Makefile": "upgrade:\n\tcat > " + world.prefix + "/stdin\n\tcp VERSION "
                                  + world.prefix + "/VERSION\n"})
    world.configure("deploy.install_command=make -s upgrade")
    world.start()
    world.update("1.1.0")
    assert os.path.getsize(os.path.join(world.prefix, "stdin")) == 0
    assert world.installed == "1.1.0"


def test_the_restart_is_exit_42_of_the_monitor_and_then_of_the_daemon(world):
    world.release("1.1.0")
    supervisor = world.start()
    world.update("1.1.0")
    assert supervisor.pair_codes == [42]
    assert supervisor.daemon_codes == [42]
    assert supervisor.versions == ["1.0.0", "1.1.0"]


def test_the_redis_status_has_the_words_in_their_order_and_a_float_timestamp(world):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.start()
    begun = time.time()
    world.update("1.1.0")
    assert world.words() == ["checking", "updating", "migrating", "installing", "restarting", "deployed"]
    last = begun - 1
    for status in world.seen:
        assert status["status"] in WORDS
        assert isinstance(status["timestamp"], float)
        assert last <= status["timestamp"] <= time.time()
        last = status["timestamp"]
        assert "error" not in status
    final = world.status()
    assert final["status"] == "deployed" and final["version"] == "1.1.0"
    assert final["computer"] == COMPUTER and final["commit"] == world.oids["1.1.0"]
    assert world.reading.call("TTL", world.key) == -1
    assert world.reading.call("TYPE", world.key) == "string"


def test_the_status_tells_what_is_being_done(world):
    gate = world.gate("migrate")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=gate.python)})
    supervisor = world.start()
    world.announce("1.1.0", channel="beta")
    status = world.wait_status("migrating")
    gate.wait()
    assert status["channel"] == "beta" and status["from"] == "1.0.0" and status["to"] == "1.1.0"
    assert status["commit"] == world.oids["1.1.0"] and status["previous_commit"] == world.oids["1.0.0"]
    assert status["step"] == "migrate" and status["attempt"] == 1 and 0 <= status["percent"] <= 100
    assert re.fullmatch(r"\d{8}T\d{6}Z-\d{4}", status["run"])
    assert status["pid"] == supervisor.monitor
    assert world.read_status_file()["status"] == "migrating"
    gate.open()
    supervisor.wait_restart()
    deployed = world.wait_status("deployed")
    assert deployed["run"] == status["run"]


def test_status_json_holds_the_same_object_as_redis(world):
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.wait_status_file("deployed")
    with open(world.status_file) as f:
        assert f.read().strip() == world.reading.call("GET", world.key).strip()


def test_a_failing_migration_halts_reports_keeps_the_signal_and_does_not_restart(world):
    world.release("1.1.0", {
        "001_good.py": world.python_migration("1.1.0/001_good"),
        "002_bad.py": world.python_migration("1.1.0/002_bad", body="print('it went wrong here')\nreturn False"),
        "003_later.py": world.python_migration("1.1.0/003_later")})
    supervisor = world.start()
    status = world.fails("1.1.0", reason="migration_failed")
    assert status["step"] == "migrate" and "002_bad" in status["error"]
    assert "it went wrong here" in status["output"]
    assert status["held"] is True and "retry_at" not in status
    assert status["previous_commit"] == world.oids["1.0.0"]
    assert status["rollback"] == f"git -C {world.repo} checkout --detach {world.oids['1.0.0']}"
    assert world.trace == ["migrate 1.1.0/001_good"]
    assert world.installed == "1.0.0"
    assert world.ask() == "1.0.0"
    assert supervisor.daemon_codes == [] and supervisor.pair_codes == []
    assert world.migration_state()["applied"] == ["1.1.0/001_good.py"]


def test_a_failing_install_halts_reports_keeps_the_signal_and_does_not_restart(world):
    world.release("1.1.0", files={"Makefile": "install:\n\t@echo no room for it >&2; exit 3\n"})
    supervisor = world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert status["step"] == "install" and status["held"] is True
    assert "no room for it" in status["output"]
    assert world.installed == "1.0.0" and supervisor.daemon_codes == []


def test_the_way_back_that_a_failure_reports_works(world):
    world.release("1.1.0", files={"Makefile": "install:\n\tfalse\n"})
    world.start()
    status = world.fails("1.1.0")
    words = status["rollback"].split()
    assert words[0] == "git"
    world.git(*words[1:])
    assert world.head() == world.oids["1.0.0"]


def test_after_a_failure_the_next_version_is_installed(world):
    world.release("1.1.0", files={"Makefile": "install:\n\tfalse\n"})
    world.start()
    world.fails("1.1.0")
    world.release("1.1.1", files={"Makefile": world.makefile()})
    status = world.update("1.1.1")
    assert status["version"] == "1.1.1" and world.installed == "1.1.1"


def test_the_signal_is_removed_after_success_and_only_then(world):
    migrate, install = world.gate("migrate"), world.gate("install")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=migrate.python)},
                  files={"Makefile": world.makefile(after=install.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    migrate.wait()
    assert world.signal_is_there()
    migrate.open()
    install.wait()
    assert world.signal_is_there()
    install.open()
    supervisor.wait_pair_code()
    assert not world.signal_is_there()
    assert os.listdir(world.signals) == []


def test_the_daemon_keeps_answering_all_the_while(world):
    migrate, install = world.gate("migrate"), world.gate("install")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=migrate.python)},
                  files={"Makefile": world.makefile(before=install.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    for gate in (migrate, install):
        gate.wait()
        assert [world.ask() for _ in range(20)] == ["1.0.0"] * 20
        assert len(supervisor.daemons) == 1
        gate.open()
    supervisor.wait_restart()
    world.wait_answer("1.1.0")


def test_death_between_pull_and_install_is_completed_by_the_next_start(world):
    gate = world.gate("install")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")},
                  files={"Makefile": world.makefile(before=gate.shell)})
    first = world.start()
    world.announce("1.1.0")
    gate.wait()
    first.kill()
    assert world.head() == world.oids["1.1.0"] and world.installed == "1.0.0" and world.signal_is_there()
    gate.open()
    second = world.start()
    world.wait_status("update_failed", reason="interrupted")
    second.wait_restart()
    world.wait_status("deployed", version="1.1.0")
    assert world.installed == "1.1.0" and not world.signal_is_there()
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


def test_the_gap_of_a_completed_update_begins_where_the_interrupted_one_began(world):
    gate = world.gate("migrate")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=gate.python)})
    first = world.start()
    world.announce("1.1.0", channel="alpha")
    gate.wait()
    first.kill()
    world.announce("1.1.0", current="1.1.0", channel="alpha")
    gate.open()
    second = world.start()
    second.wait_restart()
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


def test_each_step_is_in_the_log_with_run_step_duration_and_result(world):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.start()
    run = world.update("1.1.0")["run"]
    for step in ("preflight", "fetch", "verify", "checkout", "migrate", "install", "finish"):
        assert re.search(rf"moult-executor.*run={run} step={step} result=ok ms=\d+$", world.text_of_log(), re.M), step


def test_a_failed_step_is_in_the_log_with_run_step_duration_and_result(world):
    world.release("1.1.0", files={"Makefile": "install:\n\texit 3\n"})
    world.start()
    run = world.fails("1.1.0")["run"]
    assert re.search(rf"run={run} step=install result=install_failed ms=\d+$", world.text_of_log(), re.M)


def test_the_history_tells_each_end_of_a_run_once(world):
    world.release("1.1.0", files={"Makefile": "install:\n\tfalse\n"})
    world.start()
    failed = world.fails("1.1.0")["run"]
    world.release("1.2.0", files={"Makefile": world.makefile()})
    deployed = world.update("1.2.0")["run"]
    assert [(row["run"], row["result"]) for row in world.history()] == [
        (failed, "failed"), (deployed, "installed"), (deployed, "deployed")]


def test_the_output_of_the_steps_is_in_the_log_of_the_run(world):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body="print('a word from it')")},
                  files={"Makefile": world.makefile(before="@echo a word from make")})
    world.start()
    run = world.update("1.1.0")["run"]
    with open(os.path.join(world.state, "log", run + ".log"), errors="replace") as f:
        text = f.read()
    assert "a word from it" in text and "a word from make" in text


@pytest.mark.without_redis
def test_everything_works_without_any_redis(world):
    world.release("1.1.0")
    supervisor = world.start()
    world.announce("1.1.0")
    supervisor.wait_restart()
    world.wait_status_file("deployed", version="1.1.0")
    assert world.installed == "1.1.0"


def test_sigterm_while_waiting_ends_the_pair_with_0(world):
    supervisor = world.start()
    world.wait_log(".")
    executor = events.wait_until(lambda: world.executor, [], "the executor runs")
    events.end(supervisor.monitor, 15)
    assert supervisor.wait_pair_code() == 0
    events.wait_gone(executor)


def test_sigterm_during_the_update_stops_it_keeps_the_signal_and_never_says_42(world):
    gate = world.gate("install")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    events.end(supervisor.monitor, 15)
    assert supervisor.wait_pair_code() == 0
    status = world.wait_status("update_failed")
    assert status["reason"] == "stopped"
    assert world.signal_is_there() and world.installed == "1.0.0"
    gate.open()
    supervisor.start_pair()
    supervisor.wait_restart()
    assert world.installed == "1.1.0"
