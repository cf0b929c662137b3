"""moult.conf, strictly: every error at once, with file and line, exit 78; and nothing is started."""

import os
import re

import pytest

from world import DEPLOY, MONITOR


def refuse(world, text, mode=0o600):
    """Writes the text as the configuration; returns what `moult run` says when it refuses it."""
    with open(world.conf, "w") as f:
        f.write(text)
    os.chmod(world.conf, mode)
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 78, done.stderr
    assert not world.executor
    return done.stderr


def good(world, *more):
    """The world's configuration as lines, and further ones of the [deploy] section behind it."""
    rows = ["[deploy]", f"computer = pc", f"repo = {world.repo}", f"remote = {world.remote}",
            f"signal = {world.signal}", f"state_dir = {world.state}"]
    return "\n".join(rows + list(more)) + "\n"


def test_every_error_is_told_at_once_with_file_and_line(world):
    told = refuse(world, "\n".join([
        "[deploy]",                      # 1
        "computer = -bad",               # 2
        "repo = relative/path",          # 3
        "remote = ext::sh -c true",      # 4
        f"signal = {world.signal}",      # 5
        f"signal = {world.signal}",      # 6 repeated
        f"state_dir = {world.state}",    # 7
        "colour = blue",                 # 8 unknown key
        "fetch = everything",            # 9 not a choice
        "migrations = ../outside",       # 10
        "branch = -x",                   # 11
        "version = guess",               # 12
        "[limits]",                      # 13
        "fetch_s = 0",                   # 14
        "install_s = 9999999",           # 15
        "checkout_s = 10s",              # 16
        "migration_s = -5",              # 17
        "[redis]",                       # 18
        "url = http://127.0.0.1",        # 19
        "[sandbox]",                     # 20
        "mode = maybe",                  # 21
        "migrate_network = true",        # 22
        "no equals sign here",           # 23
        "[extras]",                      # 24
        "a = b",                         # 25
    ]) + "\n")
    lines = {int(n) for n in re.findall(r"moult\.conf:(\d+)", told)}
    expected = {2, 3, 4, 6, 8, 9, 10, 11, 12, 14, 15, 16, 17, 19, 21, 22, 23}
    assert expected <= lines, f"not told of: {sorted(expected - lines)}\n{told}"
    assert lines & {24, 25}
    assert not lines & {1, 5, 7, 13, 18, 20}
    assert world.conf in told


@pytest.mark.parametrize("key", ["repo", "remote", "signal"])
def test_a_missing_required_key_is_named(world, key):
    rows = [row for row in good(world).splitlines() if not row.startswith(key + " ")]
    assert key in refuse(world, "\n".join(rows) + "\n")


def test_all_missing_keys_are_named_at_once(world):
    told = refuse(world, "")
    for key in ("repo", "remote", "signal"):
        assert re.search(rf"\b{key}\b", told)


@pytest.mark.parametrize("line", [
    "install_command =", "branch = a..b", "branch = main.lock", "branch = a b", "branch = refs/heads/main~1",
    "fetch = TAGS", "signal_owner = nobody-of-that-name", "version = file", "version = file /etc/passwd",
    "version = file ../x", "migrations = /etc", "migrations = a/../../b", "ssh_key = relative",
    "ca_file = ~/ca.pem", "migrate_command = " + "w " * 60, "branch = " + "b" * 300,
    "branch = main\x01", "= value", "branch"])
def test_a_value_that_does_not_fit_is_told_with_its_line(world, line):
    told = refuse(world, good(world, line))
    assert "moult.conf:7" in told


@pytest.mark.parametrize("line", [
    "url = redis://", "url = redis://host:0", "url = redis://host:99999", "url = redis://host/x",
    "url = unix://relative", "url = redis://user:secret@host", "url = host:6379", "password_file = relative"])
def test_a_redis_setting_that_does_not_fit_is_told_with_its_line(world, line):
    told = refuse(world, good(world) + "[redis]\n" + line + "\n")
    assert "moult.conf:8" in told
    assert "secret" not in told or "user" in told


@pytest.mark.parametrize("mode", [0o602, 0o622, 0o666])
def test_a_configuration_that_others_may_write_is_refused(world, mode):
    assert re.search(r"writ", refuse(world, good(world), mode))


def test_a_configuration_that_is_not_there_is_refused(world):
    os.unlink(world.conf)
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 78 and "moult.conf" in done.stderr


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling link", "binary", "huge"])
def test_a_configuration_that_is_no_text_file_is_refused(world, kind):
    os.unlink(world.conf)
    if kind == "directory":
        os.mkdir(world.conf)
    elif kind == "fifo":
        os.mkfifo(world.conf, 0o600)
    elif kind == "dangling link":
        os.symlink("/nonexistent/x", world.conf)
    else:
        with open(world.conf, "wb") as f:
            f.write(os.urandom(4096) if kind == "binary" else b"[deploy]\nbranch = " + b"a" * (8 << 20))
        os.chmod(world.conf, 0o600)
    done = world.run("run", "-f", world.conf, seconds=10)
    assert done.returncode == 78 and "moult.conf" in done.stderr


def test_comments_blank_lines_and_order_do_not_matter(world):
    world.release("1.1.0")
    with open(world.conf, "w") as f:
        f.write(f"; moult\n\n[redis]\nurl = unix://{world.redis.path}\n# a remark\n[limits]\nfetch_s=20\n\n" + good(world)
                + f"\n[sandbox]\nwrite_paths = {world.prefix}   {world.work}\t{world.trace_file}\n")
    world.key = "system_status:pc:deploy"
    world.stream = "{" + world.key + "}:log"
    world.start()
    world.update("1.1.0")


def test_the_monitor_itself_refuses_a_bad_configuration_too(world):
    with open(world.conf, "a") as f:
        f.write("[nonsense]\na = b\n")
    supervisor = world.start(command=[os.path.join(world.bin, "moult-monitor"), "-f", world.conf])
    assert supervisor.wait_pair_code() == 78
    assert world.ask() == "1.0.0", "the daemon does not suffer"


def test_a_checkout_that_is_not_there_is_named_at_the_start(world):
    world.configure(f"deploy.repo={world.root}/no/such/checkout")
    done = world.run("run", "-f", world.conf, seconds=20)
    assert done.returncode in (71, 77, 78) and f"{world.root}/no/such/checkout" in done.stderr


def test_a_signal_directory_that_is_not_there_is_named_and_waited_for(world):
    os.rmdir(world.signals)
    supervisor = world.start()
    world.wait_log(re.escape(world.signals))
    world.release("1.1.0")
    world.make_signals()
    assert supervisor.wait_pair_code() == 71, "for the directory that has come there is another pair"
    supervisor.start_pair()
    world.update("1.1.0")


def test_without_a_computer_name_the_host_name_is_used(world):
    world.configure("deploy.computer=")
    world.start()
    world.release("1.1.0")
    world.key = f"system_status:{os.uname().nodename}:deploy"
    world.stream = "{" + world.key + "}:log"
    world.update("1.1.0")


def test_the_state_directory_is_made_when_it_is_not_there(world):
    os.rmdir(world.state)
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    made, monitors = os.stat(world.state), os.stat(os.path.dirname(world.status_file))
    assert made.st_mode & 0o022 == 0 and made.st_uid == DEPLOY.pw_uid
    assert monitors.st_mode & 0o022 == 0 and monitors.st_uid == MONITOR.pw_uid


def test_a_bad_password_file_is_told_at_the_start_or_logged_and_updates_go_on(world):
    world.configure(f"redis.password_file={world.root}/not-there")
    world.release("1.1.0")
    supervisor = world.start()
    world.announce("1.1.0")
    supervisor.wait(lambda: supervisor.pair_codes, "an end")
    assert supervisor.pair_codes[0] in (42, 78)
    assert "not-there" in world.text_of_log()


@pytest.mark.parametrize("args", [["run", "--nonsense"], ["run", "-f"], ["nonsense"], []])
def test_a_wrong_command_line_is_refused_with_64(world, args):
    done = world.run(*args)
    assert done.returncode == 64 and "usage" in done.stderr.lower()
