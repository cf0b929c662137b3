"""What an unfinished update may not do: overwrite a person's work, skip or repeat a migration, raise a false alarm."""

import hashlib
import os
import re
import subprocess

import events


def edit(world, path, text):
    with open(os.path.join(world.repo, path), "w") as f:
        f.write(text)


def test_two_checkouts_do_not_share_a_state_directory(world):
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    other = os.path.join(world.root, "other")
    world.clone(repo=other)
    with open(world.conf) as f:
        text = f.read()
    conf = os.path.join(world.root, "other.conf")
    with open(conf, "w") as f:
        f.write(text.replace("repo = " + world.repo, "repo = " + other))
    os.chmod(conf, 0o644)
    # The first pair holds the directory's lock; a second one waits for it and gives up.
    done = world.run("run", "-f", conf)
    assert done.returncode == 75 and "state directory" in done.stderr


def test_a_state_directory_of_another_checkout_is_refused_by_name(world):
    world.release("1.1.0")
    first = world.start()
    world.update("1.1.0")
    first.stop()
    moved = world.repo + "-moved"
    os.rename(world.repo, moved)
    with open(world.conf) as f:
        text = f.read()
    with open(world.conf, "w") as f:
        f.write(text.replace("repo = " + world.repo, "repo = " + moved))
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 78
    assert world.repo in done.stderr and "state_dir" in done.stderr and "lock" in done.stderr


def test_an_edit_after_a_failed_migration_is_refused_and_kept(world):
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body="return False")})
    world.start()
    world.fails("1.1.0", reason="migration_failed")
    edit(world, "migrations/v1.1.0/001_a.py", "the work of a person\n")
    since = world.mark()
    assert world.run("retry", "-f", world.conf).returncode == 0
    status = world.failed(since, reason="tree_dirty")
    assert "001_a.py" in status["error"]
    with open(os.path.join(world.repo, "migrations/v1.1.0/001_a.py")) as f:
        assert f.read() == "the work of a person\n"


def test_an_untracked_file_in_the_way_is_refused_each_time_and_kept(world):
    world.configure("limits.retry_s=1")
    world.release("1.1.0", files={"new.txt": "from the remote\n"})
    edit(world, "new.txt", "the work of a person\n")
    world.start()
    world.fails("1.1.0", reason="checkout_failed")
    world.wait_log(r"failed: step=checkout", count=2)
    with open(os.path.join(world.repo, "new.txt")) as f:
        assert f.read() == "the work of a person\n"
    os.unlink(os.path.join(world.repo, "new.txt"))
    world.wait_status("deployed", version="1.1.0")


def test_a_tag_that_was_withdrawn_is_not_installed(world):
    world.release("1.1.0")
    world.git("fetch", "-q", "--tags", world.remote, cwd=world.repo)
    world.git("update-ref", "-d", "refs/tags/v1.1.0", cwd=world.remote)
    world.start()
    world.fails("1.1.0", reason="tag_missing")
    assert world.installed == "1.0.0"


def test_an_install_that_dies_by_term_is_held_like_any_other(world):
    world.configure("limits.retry_s=1")
    world.release("1.1.0", files={"Makefile": "install:\n\tkill -TERM $$PPID\n\tsleep 5\n"})
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert status["held"] is True and "retry_at" not in status


def test_directories_that_a_step_made_unremovable_do_not_stop_the_next_update(world):
    before = '@mkdir -p "$HOME/locked/deep" "$TMPDIR/a" && chmod 500 "$HOME/locked/deep" "$HOME/locked"'
    world.release("1.1.0", files={"Makefile": world.makefile(before=before)})
    world.release("1.2.0", files={"Makefile": world.makefile(before='@test -z "$(ls -A "$HOME")"')})
    world.start()
    world.update("1.1.0")
    world.update("1.2.0", current="1.1.0")
    assert world.installed == "1.2.0"


def test_what_a_killed_executor_left_is_ended_before_the_migration_runs_again(world):
    """The program's own child does not hold the lock: Python closes all descriptors but three."""
    trace = os.path.join(world.work, "runs")
    sleeper = f"import time; open({trace + '.asleep'!r}, 'w').close(); time.sleep(60)"
    body = (f"import subprocess, sys\nwith open({trace!r}, 'a') as f:\n    f.write('begins\\n')\n"
            f"if len(open({trace!r}).readlines()) == 1:\n    subprocess.run([sys.executable, '-c', {sleeper!r}])\n")
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body=body)})
    supervisor = world.start()
    world.announce("1.1.0")
    events.wait_until(lambda: os.path.exists(trace + ".asleep"), [world.work], "the child of the migration sleeps")
    events.end(world.executor)
    assert supervisor.wait_pair_code() == 71
    supervisor.start_pair()
    supervisor.wait_restart()
    world.wait_status("deployed", version="1.1.0")
    assert "of a step whose executor was killed" in world.text_of_log()
    with open(trace) as f:
        assert f.read() == "begins\n" * 2


def test_a_migration_recorded_before_the_machine_went_down_is_checked_again(world):
    """What it wrote was not synced yet: the record alone does not say that it is still there."""
    gate = world.gate("second")
    effect = os.path.join(world.work, "effect")
    first = world.python_migration("1.1.0/001_a", body="open(%r, 'w').close()" % effect,
                                   check="return os.path.exists(%r)" % effect)
    world.release("1.1.0", {"001_a.py": first, "002_b.py": world.python_migration("1.1.0/002_b", body=gate.python)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    supervisor.kill()
    gate.leave_open()
    os.unlink(effect)  # as a power cut would have it
    path = os.path.join(world.state, "journal")
    with open(path) as f:
        lines = f.read().splitlines()
    for i, line in enumerate(lines[1:], 1):
        rest = re.sub(r" boot=\S*", " boot=another", line.split(" ", 1)[1])
        lines[i] = hashlib.sha256(rest.encode()).hexdigest()[:16] + " " + rest
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    world.start().wait_restart()
    assert os.path.exists(effect)
    assert "each is checked again" in world.text_of_log()


def test_an_interrupted_update_without_its_signal_says_what_is_needed(world):
    gate = world.gate("i")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    supervisor.kill()
    gate.leave_open()
    os.unlink(world.signal)
    world.start()
    status = world.wait_status("update_failed", reason="interrupted")
    assert "announce it again" in status["error"] and status["held"] is True and "retry_at" not in status
    world.announce("1.1.0")
    world.wait_status("deployed", version="1.1.0")


def test_the_status_keeps_the_installed_version_through_failures(world):
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.announce("9.9.9", current="1.1.0")
    assert world.wait_status("update_failed", reason="tag_missing")["version"] == "1.1.0"
    world.drop(b"{}")
    assert world.wait_status("update_failed", reason="signal_invalid")["version"] == "1.1.0"


def test_a_failure_before_the_checkout_has_no_way_back_to_tell(world):
    world.start()
    assert "rollback" not in world.fails("9.9.9")


def test_a_failure_behind_the_checkout_tells_the_way_back_and_the_log(world):
    world.release("1.1.0", files={"Makefile": "install:\n\t@echo a word from make\n\tfalse\n"})
    before = world.head
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    with open(status["log"]) as f:
        assert "a word from make" in f.read()
    subprocess.run(["sh", "-c", status["rollback"]], check=True, capture_output=True, env=world.env)
    assert world.head == before
