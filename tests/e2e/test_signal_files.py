"""Hostile and unlucky signal files: refused clearly, nothing changed, the pair alive, and the next good one works."""

import os
import pwd
import socket
import stat

import pytest

import events

NEST = 100000


def text(world, **changes):
    fields = {"current": "1.0.0", "available": "1.1.0", "channel": "stable", **changes}
    return world.signal_text(fields.pop("available"), fields.pop("current"), fields.pop("channel"), **fields)


HOSTILE = {
    "empty": b"",
    "blank": b" \n",
    "truncated": b'{"current":"1.0.0","available":"1.1',
    "nested arrays": b"[" * 2000 + b"]" * 2000,
    "nesting bomb": b'{"a":' * 600 + b"1" + b"}" * 600,
    "bomb in an unknown key": b'{"current":"1.0.0","available":"1.1.0","channel":"stable","x":' + b"[" * 2000
                              + b"]" * 1000,
    "100 KB": b'{"current":"1.0.0","available":"1.1.0","channel":"stable","x":"' + b"a" * 100000 + b'"}',
    "just too large": b'{"current":"1.0.0","available":"1.1.0","channel":"stable"}' + b" " * 4096,
    "a nesting bomb of 100 KB": b"[" * NEST,
    "duplicate keys": b'{"current":"1.0.0","available":"1.1.0","available":"1.1.0","channel":"stable"}',
    "NUL in a value": b'{"current":"1.0.0","available":"1.1.0\\u0000","channel":"stable"}',
    "NUL byte": b'{"current":"1.0.0","available":"1.1.0","channel":"stable"}\0',
    "invalid UTF-8": b'{"current":"1.0.0","available":"1.1.0\xff","channel":"stable"}',
    "overlong UTF-8": b'{"current":"1.0.0","available":"1.1.0","channel":"stable","x":"\xc0\xaf"}',
    "lone surrogate": b'{"current":"1.0.0","available":"1.1.0","channel":"stable","x":"\\ud800"}',
    "byte order mark": b'\xef\xbb\xbf{"current":"1.0.0","available":"1.1.0","channel":"stable"}',
    "trailing bytes": b'{"current":"1.0.0","available":"1.1.0","channel":"stable"}{}',
    "an array": b'["1.0.0","1.1.0","stable"]',
    "a string": b'"1.1.0"',
    "null": b"null",
    "not JSON": b"available=1.1.0\n",
    "single quotes": b"{'current':'1.0.0','available':'1.1.0','channel':'stable'}",
    "version as a number": b'{"current":"1.0.0","available":1.1,"channel":"stable"}',
    "version as null": b'{"current":"1.0.0","available":null,"channel":"stable"}',
    "version as an array": b'{"current":"1.0.0","available":["1.1.0"],"channel":"stable"}',
    "channel as a boolean": b'{"current":"1.0.0","available":"1.1.0","channel":true}',
    "no available": b'{"current":"1.0.0","channel":"stable"}',
    "no current": b'{"available":"1.1.0","channel":"stable"}',
    "no channel": b'{"current":"1.0.0","available":"1.1.0"}',
    "unknown channel": b'{"current":"1.0.0","available":"1.1.0","channel":"nightly"}',
    "channel in capitals": b'{"current":"1.0.0","available":"1.1.0","channel":"STABLE"}',
    "empty channel": b'{"current":"1.0.0","available":"1.1.0","channel":""}',
}

VERSIONS = {
    "option-like": "--upload-pack=touch", "one dash": "-1.1.0", "path-like": "../../etc/passwd", "slash": "1.1.0/x",
    "absolute path": "/etc/passwd", "leading zero": "01.1.0", "leading zero in a prerelease": "1.1.0-01",
    "two parts": "1.1", "four parts": "1.1.0.0", "words": "latest", "HEAD": "HEAD", "reflog": "v1.1.0@{1}",
    "range": "1.0.0..1.1.0", "parent": "1.1.0^", "blank inside": "1.1.0 rc1", "blank before": " 1.1.0",
    "newline": "1.1.0\n", "empty": "", "only v": "v", "two vs": "vv1.1.0", "V": "V1.1.0", "negative": "1.-1.0",
    "other digits": "1.1.\u0660", "shell": "1.1.0;reboot", "substitution": "$(reboot)", "format": "%s%n",
    "very long": "1.1." + "9" * 200, "refspec": "1.1.0:refs/heads/main", "glob": "1.1.*", "escape": "1.1.0\x1b[31m",
    "empty prerelease": "1.1.0-", "empty build": "1.1.0+", "commit on stable": "a" * 40,
}


@pytest.fixture
def ready(world):
    world.release("1.1.0")
    world.start()
    return world


def refused(world, since, reasons=("signal_invalid",)):
    """The refusal has been reported, nothing has changed, and the next good signal works."""
    supervisor = world.supervisors[-1]
    status = world.wait_status("update_failed", since=since)
    assert status["reason"] in reasons and status["error"]
    assert all(32 <= ord(c) < 127 for c in status["error"]), "what came from outside is escaped"
    still_works(world, supervisor)
    return status


def still_works(world, supervisor):
    assert events.is_alive(supervisor.monitor) and len(supervisor.pairs) == 1
    assert supervisor.daemon_codes == [] and supervisor.pair_codes == []
    assert world.head() == world.oids["1.0.0"] and world.trace == [] and world.installed == "1.0.0"
    assert world.git("status", "--porcelain") == ""
    assert world.ask() == "1.0.0"
    if os.path.isdir(world.signal) and not os.path.islink(world.signal):
        os.rmdir(world.signal)
    world.update("1.1.0")
    assert world.installed == "1.1.0"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_signal_file_is_refused_and_the_next_good_one_works(ready, name):
    since = ready.mark()
    ready.drop(HOSTILE[name])
    refused(ready, since)


@pytest.mark.parametrize("name", VERSIONS)
def test_a_hostile_version_is_refused_and_the_next_good_one_works(ready, name):
    since = ready.mark()
    ready.drop(text(ready, available=VERSIONS[name]))
    refused(ready, since)


@pytest.mark.parametrize("name", ["option-like", "path-like", "leading zero", "newline", "empty"])
def test_a_hostile_current_version_is_refused_and_the_next_good_one_works(ready, name):
    since = ready.mark()
    ready.drop(text(ready, current=VERSIONS[name]))
    refused(ready, since)


@pytest.mark.parametrize("current, available", [
    ("1.1.0", "1.0.0"), ("1.1.0", "1.1.0"), ("1.1.0", "1.1.0-rc.1"), ("1.1.0+a", "1.1.0+b"), ("v1.1.0", "1.1.0"),
    ("99999999999999999999.0.0", "1.1.0")], ids=["older", "equal", "prerelease of it", "other build", "v", "huge"])
def test_a_version_that_is_not_newer_is_refused_and_the_next_good_one_works(ready, current, available):
    since = ready.mark()
    ready.drop(text(ready, current=current, available=available))
    status = refused(ready, since, ("not_newer", "signal_invalid"))
    assert status["reason"] == "not_newer"


def test_a_signal_below_what_was_deployed_before_is_refused(world):
    """A watcher with a false idea of the present version cannot bring an old one back."""
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.release("1.0.5", branch="old", onto=world.oids["1.0.0"])
    since = world.mark()
    world.announce("1.0.5", current="1.0.0")
    status = world.wait_status("update_failed", since=since)
    assert status["reason"] == "not_newer"
    assert world.head() == world.oids["1.1.0"]


def test_a_long_row_of_hostile_signals_does_not_wear_the_pair_out(ready):
    since = ready.mark()
    for i, data in enumerate(HOSTILE.values()):
        ready.drop(data)
        if i % 4 == 0:
            ready.wait_status("update_failed", since=since)
            since = ready.mark()
    still_works(ready, ready.supervisors[-1])


def test_unknown_keys_are_ignored_and_logged(ready):
    ready.announce("1.1.0", note="hello", extra={"a": [1, 2]})
    ready.supervisors[-1].wait_restart()
    ready.wait_log("note")
    assert ready.installed == "1.1.0"


def test_a_symbolic_link_is_refused(ready):
    good = os.path.join(ready.root, "good.json")
    with open(good, "w") as f:
        f.write(text(ready))
    since = ready.mark()
    os.symlink(good, ready.signal)
    refused(ready, since)


def test_a_dangling_symbolic_link_is_refused(ready):
    since = ready.mark()
    os.symlink(os.path.join(ready.root, "nowhere"), ready.signal)
    refused(ready, since)


def test_a_hard_link_to_another_file_is_refused(ready):
    good = os.path.join(ready.root, "good.json")
    with open(good, "w") as f:
        f.write(text(ready))
    since = ready.mark()
    os.link(good, ready.signal)
    refused(ready, since)


def test_a_fifo_is_refused_without_waiting_for_a_writer(ready):
    since = ready.mark()
    os.mkfifo(ready.signal)
    refused(ready, since)


def test_a_directory_is_refused(ready):
    since = ready.mark()
    os.mkdir(ready.signal)
    refused(ready, since)


def test_a_socket_is_refused(ready):
    since = ready.mark()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(ready.signal)
        refused(ready, since)


@pytest.mark.root
@pytest.mark.parametrize("major, minor, kind", [(1, 3, stat.S_IFCHR), (1, 5, stat.S_IFCHR), (7, 0, stat.S_IFBLK)],
                         ids=["null", "zero", "a block device"])
def test_a_device_is_refused(ready, major, minor, kind):
    since = ready.mark()
    os.mknod(ready.signal, kind | 0o644, os.makedev(major, minor))
    refused(ready, since)


def test_a_sparse_file_of_10_gib_is_refused(ready):
    since = ready.mark()
    aside = os.path.join(ready.signals, "big")
    with open(aside, "w") as f:
        f.truncate(10 << 30)
    os.rename(aside, ready.signal)
    refused(ready, since)


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
def test_a_world_writable_file_is_refused(ready, mode):
    since = ready.mark()
    ready.drop(text(ready), mode=mode)
    refused(ready, since)


def test_a_file_that_cannot_be_read_is_refused(ready):
    since = ready.mark()
    ready.drop(text(ready), mode=0)
    refused(ready, since)


@pytest.mark.root
def test_a_file_of_a_foreign_owner_is_refused(ready):
    since = ready.mark()
    ready.drop(text(ready), owner=12345)
    refused(ready, since)


@pytest.mark.root
def test_a_file_of_the_configured_owner_is_acted_on(world):
    world.configure("deploy.signal_owner=daemon")
    world.release("1.1.0")
    supervisor = world.start()
    world.drop(text(world), owner=pwd.getpwnam("daemon").pw_uid)
    supervisor.wait_restart()
    assert world.installed == "1.1.0"


def test_a_file_half_written_and_then_completed_is_acted_on_without_a_report(ready):
    data = text(ready)
    since = ready.mark()
    with open(ready.signal, "w") as f:
        f.write(data[:20])
        f.flush()
        os.fsync(f.fileno())
        f.write(data[20:])
    ready.supervisors[-1].wait_restart()
    ready.wait_status("deployed", since=since)
    assert "update_failed" not in ready.words(since)


def test_a_half_written_file_closed_and_completed_within_two_seconds_is_not_reported(ready):
    data = text(ready)
    since = ready.mark()
    with open(ready.signal, "w") as f:
        f.write(data[:20])
    ready.read_stream(700)
    with open(ready.signal, "a") as f:
        f.write(data[20:])
    ready.supervisors[-1].wait_restart()
    assert "update_failed" not in ready.words(since)


def test_a_temporary_file_of_the_watcher_is_not_looked_at(ready):
    since = ready.mark()
    path = os.path.join(ready.signals, "update_available.json.tmp")
    with open(path, "w") as f:
        f.write("half")
    ready.update("1.1.0")
    assert "update_failed" not in ready.words(since)
    os.unlink(path)


@pytest.mark.parametrize("how", ["rename", "in place"])
def test_a_signal_replaced_during_the_update_is_the_next_update(world, how):
    gate = world.gate("install")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    world.release("1.2.0", files={"Makefile": world.makefile()})
    if how == "rename":
        world.announce("1.2.0", current="1.1.0")
    else:
        with open(world.signal, "w") as f:
            f.write(text(world, available="1.2.0", current="1.1.0"))
    gate.open()
    supervisor.wait_restart(2)
    assert world.trace == ["install 1.1.0", "install 1.2.0"]
    assert supervisor.versions == ["1.0.0", "1.1.0", "1.2.0"]
    assert not world.signal_is_there()


def test_the_same_wish_again_is_taken_away_once_it_is_fulfilled(world):
    """A watcher wrote the same text in a new file during the update: it is not the file acted on, but nothing is left to do."""
    gate = world.gate("install")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    world.announce("1.1.0")
    gate.open()
    supervisor.wait_restart()
    world.wait_log("announces 1.1.0 once more")
    world.wait_status_file("deployed", version="1.1.0")
    events.wait_until(lambda: not world.signal_is_there(), [os.path.dirname(world.signal)], "the wish is taken away")
    assert world.trace == ["install 1.1.0"]
    assert world.words()[-1] == "deployed"


def test_a_signal_removed_midway_lets_the_update_finish(world):
    """The executor was told what to do; the file is a wish, the journal is the truth."""
    gate = world.gate("install")
    world.release("1.1.0", files={"Makefile": world.makefile(before=gate.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    os.unlink(world.signal)
    gate.open()
    supervisor.wait_restart()
    world.wait_status("deployed", version="1.1.0")
    assert supervisor.pair_codes[0] == 42


def test_the_signal_directory_may_be_replaced(ready):
    """Its rights belong to the old directory: the monitor leaves, and the next pair has the new one."""
    ready.wait_status("checking")
    supervisor = ready.supervisors[-1]
    old = ready.signals + ".old"
    os.rename(ready.signals, old)
    ready.make_signals()
    assert supervisor.wait_pair_code() == 71
    ready.wait_log("was replaced by another")
    supervisor.start_pair()
    ready.update("1.1.0")
    os.rmdir(old)


def test_the_signal_directory_may_be_removed_and_come_back(ready):
    """What comes back is another directory of the same name: the next pair reads it."""
    ready.wait_status("checking")
    supervisor = ready.supervisors[-1]
    os.rmdir(ready.signals)
    ready.wait_log(r"(?i)signal.*(director|gone|removed)")
    ready.make_signals()
    assert supervisor.wait_pair_code() == 71
    supervisor.start_pair()
    ready.update("1.1.0")


def test_an_overflow_of_the_inotify_queue_loses_nothing(ready):
    with open("/proc/sys/fs/inotify/max_queued_events") as f:
        limit = int(f.read())
    if limit > 70000:
        pytest.skip(f"the queue holds {limit} events")
    monitor = ready.supervisors[-1].monitor
    ready.wait_log(".")
    os.kill(monitor, 19)
    a, b = (os.path.join(ready.signals, name) for name in ("a", "b"))
    open(a, "w").close()
    for _ in range(limit // 4 + 1000):
        os.rename(a, b)
        os.rename(b, a)
    os.unlink(a)
    ready.announce("1.1.0")
    os.kill(monitor, 18)
    ready.supervisors[-1].wait_restart()
    assert ready.installed == "1.1.0"


def test_a_refused_signal_is_reported_once_and_not_again_and_again(ready):
    since = ready.mark()
    ready.drop(b"not JSON")
    ready.wait_status("update_failed", since=since)
    for _ in range(5):
        os.utime(ready.signals)
        open(os.path.join(ready.signals, "other"), "w").close()
        os.unlink(os.path.join(ready.signals, "other"))
    ready.update("1.1.0")
    assert [s["status"] for s in ready.seen[since:]].count("update_failed") == 1
