"""Limits of time, silence and size; and whole process trees that are ended, however they were grown."""

import os
import subprocess
import time

import pytest

import events
from remotes import GitDaemon, Http
from world import IS_ROOT

FORKS = {
    "child": "sleep 600 & echo $! >> {pids}; wait",
    "own session": "setsid sh -c 'echo $$ >> {pids}; exec sleep 600' & wait",
    "double fork": "(sh -c 'echo $$ >> {pids}; exec sleep 600' &) ; sleep 600",
    "double fork with a session": "(setsid sh -c 'echo $$ >> {pids}; exec sleep 600' &) ; sleep 600",
    "nohup": "nohup sh -c 'echo $$ >> {pids}; exec sleep 600' >/dev/null 2>&1 & wait",
}


def install_of(world, script, name="step.sh"):
    """A release whose install runs the script, a file of the tree, by sh."""
    world.release("1.1.0", files={"Makefile": "install:\n\t@sh step.sh\n", name: script + "\n"})


def read_pids(path):
    with open(path) as f:
        return [int(row) for row in f.read().split()]


def test_an_install_past_its_limit_is_ended_and_reported(world):
    world.configure("limits.install_s=1")
    gate = world.gate("i")
    install_of(world, gate.shell)
    world.start()
    since = world.mark()
    world.announce("1.1.0")
    pid = gate.wait()
    status = world.failed(since, reason="time_limit")
    assert status["step"] == "install" and status["held"] is True
    events.wait_gone(pid)


def test_a_fetch_that_is_silent_is_ended_and_tried_again_later(world):
    remote = world.peer(GitDaemon(world))
    remote.hold()
    world.configure("deploy.remote=" + remote.url, "limits.silence_s=1")
    world.release("1.1.0")
    world.start()
    begun = time.monotonic()
    status = world.fails("1.1.0", reason="silence_limit")
    assert status["step"] == "fetch" and status["retry_at"] > status["timestamp"]
    assert time.monotonic() - begun < 15
    remote.release()
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()


def test_a_fetch_that_drips_is_ended_at_the_limit_of_time(world):
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        for byte in b"001e# service=git-upload-pack\n0000" + b"0" * 1000:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.1)
        return False
    remote = world.peer(Http(world, before=drip))
    world.configure("deploy.remote=" + remote.url, "limits.fetch_s=2", "limits.silence_s=60")
    world.release("1.1.0")
    world.start()
    begun = time.monotonic()
    status = world.fails("1.1.0", reason="time_limit")
    assert status["step"] == "fetch" and time.monotonic() - begun < 20


@pytest.mark.parametrize("how", FORKS)
def test_a_whole_process_tree_is_ended_at_the_limit(world, how):
    world.configure("limits.install_s=2")
    pids = os.path.join(world.work, "pids")
    install_of(world, FORKS[how].format(pids=pids))
    world.start()
    world.fails("1.1.0", reason="time_limit")
    for pid in read_pids(pids):
        events.wait_gone(pid, 1)


@pytest.mark.parametrize("how", FORKS)
def test_a_whole_process_tree_is_ended_when_its_step_has_failed(world, how):
    pids = os.path.join(world.work, "pids")
    script = FORKS[how].format(pids=pids).replace("; wait", "").replace("& wait", "&").replace("; sleep 600", "")
    install_of(world, script + f"\nwhile ! test -s {pids}; do sleep 0.05; done; exit 9")
    world.start()
    world.fails("1.1.0", reason="install_failed")
    rows = read_pids(pids)
    assert rows
    for pid in rows:
        events.wait_gone(pid, 1)


def test_what_an_install_leaves_running_is_ended_before_the_restart(world):
    pids = os.path.join(world.work, "pids")
    install_of(world, f"cp VERSION {world.prefix}/VERSION\n(setsid sh -c 'echo $$ >> {pids}; exec sleep 600' &)\n"
                      f"while ! test -s {pids}; do sleep 0.05; done")
    supervisor = world.start(restarts=False)
    world.announce("1.1.0")
    assert supervisor.wait_pair_code() == 42
    assert not [pid for pid in read_pids(pids) if events.is_alive(pid)]


def test_a_step_that_holds_its_output_open_by_a_stray_child_does_not_hang_the_update(world):
    install_of(world, f"cp VERSION {world.prefix}/VERSION\n(setsid sleep 600 &)\n")
    world.start()
    world.update("1.1.0", seconds=25)


def test_term_comes_first_and_kill_ten_seconds_later(world):
    world.configure("limits.install_s=1")
    told = os.path.join(world.work, "told")
    install_of(world, f"trap 'date +%s.%N >> {told}' TERM\nwhile :; do sleep 0.1; done")
    world.start()
    since = world.mark()
    world.announce("1.1.0")
    world.failed(since, seconds=40, reason="time_limit")
    ended = time.time()
    with open(told) as f:
        first = float(f.readline())
    assert 9 <= ended - first <= 16


def test_a_step_that_ends_on_term_is_not_waited_for_any_longer(world):
    world.configure("limits.install_s=1")
    told = os.path.join(world.work, "told")
    install_of(world, f"trap 'echo tidied > {told}; exit 1' TERM\nwhile :; do sleep 0.1; done")
    world.start()
    begun = time.monotonic()
    world.fails("1.1.0", reason="time_limit")
    assert time.monotonic() - begun < 8
    assert os.path.exists(told)


def test_a_stopped_step_is_ended_too(world):
    world.configure("limits.install_s=1")
    pids = os.path.join(world.work, "pids")
    install_of(world, f"echo $$ > {pids}; kill -STOP $$; sleep 600")
    world.start()
    world.fails("1.1.0", seconds=40, reason="time_limit")
    for pid in read_pids(pids):
        events.wait_gone(pid, 1)


def test_100_mb_of_output_leave_a_bounded_log_and_the_update_goes_on(world):
    script = f"cp VERSION {world.prefix}/VERSION; yes 'a line of the flood' | head -c 100000000; echo the very end"
    install_of(world, script)
    world.start()
    run = world.update("1.1.0", seconds=90)["run"]
    path = os.path.join(world.state, "log", run + ".log")
    assert os.path.getsize(path) < 20_000_000
    assert sum(os.path.getsize(os.path.join(world.state, "log", n)) for n in os.listdir(os.path.dirname(path))) < 40_000_000
    with open(path, "rb") as f:
        f.seek(-4096, 2)
        assert b"moult" in f.read(), "it says that it was cut"


def test_a_line_without_an_end_is_no_trouble(world):
    install_of(world, f"cp VERSION {world.prefix}/VERSION; head -c 5000000 /dev/zero | tr '\\0' x; exit 4")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "xxxx" in status["output"] and len(status["output"]) <= 2048


def test_a_step_that_closes_its_output_and_goes_on_is_waited_for(world):
    install_of(world, f"exec >&- 2>&-; sleep 1; cp VERSION {world.prefix}/VERSION")
    world.start()
    world.update("1.1.0")
    assert world.installed == "1.1.0"


@pytest.mark.parametrize("code", [1, 2, 77, 126, 127, 255])
def test_the_exit_status_of_a_failed_install_is_told(world, code):
    world.configure("deploy.install_command=sh step.sh")
    install_of(world, f"exit {code}")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert str(code) in status["error"]


def test_a_signal_that_ended_an_install_is_told(world):
    world.configure("deploy.install_command=sh step.sh")
    install_of(world, "kill -KILL $$")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "9" in status["error"] or "KILL" in status["error"] or "Killed" in status["error"]


def test_an_install_command_that_is_not_there_is_told(world):
    world.configure("deploy.install_command=no-such-program-anywhere")
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "no-such-program-anywhere" in status["error"] + status.get("output", "")


def test_a_step_gets_a_clean_environment_and_no_descriptors_but_its_own(world):
    seen = os.path.join(world.work, "seen")
    install_of(world, f"cp VERSION {world.prefix}/VERSION; env > {seen}; ls -l /proc/$$/fd > {seen}.fd; "
                      f"readlink /proc/$$/fd/0 > {seen}.0")
    world.env.update({"GIT_DIR": "/nonexistent", "MAKEFLAGS": "-n", "SECRET_OF_DAEMON": "x"})
    world.start()
    world.announce("1.1.0")
    world.wait_status("deployed")
    with open(seen) as f:
        env = f.read()
    for name in ("SECRET_OF_DAEMON", "GIT_DIR", "MOULT_TEST_WORLD"):
        assert name not in env
    with open(seen + ".0") as f:
        assert f.read() == "/dev/null\n"
    with open(seen + ".fd") as f:
        rows = f.read()
    assert "socket:" not in rows and "inotify" not in rows and "journal" not in rows


def test_a_step_cannot_open_the_network_unless_it_is_told_to(world):
    world.configure("deploy.install_command=/usr/bin/python3 -I step.py")
    world.release("1.1.0", files={"step.py": "import socket\nsocket.socket(socket.AF_INET)\n"})
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "socket" in status["output"]


def test_install_network_gives_the_install_the_network(world):
    world.configure("deploy.install_command=/usr/bin/python3 -I step.py", "sandbox.install_network=yes")
    world.release("1.1.0", files={"step.py": "import socket\nsocket.socket(socket.AF_INET)\n"})
    world.start()
    world.announce("1.1.0")
    world.supervisors[-1].wait_restart()


@pytest.mark.parametrize("call, word", [
    ("import ctypes; l=ctypes.CDLL(None,use_errno=True); assert l.ptrace(0,0,0,0)==-1 and ctypes.get_errno()==1", "ptrace"),
    ("import ctypes; l=ctypes.CDLL(None,use_errno=True); assert l.unshare(0x10000000)==-1 and ctypes.get_errno()==1",
     "unshare"),
    ("import ctypes; l=ctypes.CDLL(None,use_errno=True); "
     "assert l.mount(b'x',b'/x',b'tmpfs',0,None)==-1 and ctypes.get_errno()==1", "mount"),
    ("import os\ntry:\n    os.chmod('step.py', 0o4755)\nexcept PermissionError:\n    pass\nelse:\n    raise SystemExit(1)",
     "setuid bit"),
    ("import ctypes; l=ctypes.CDLL(None); assert l.prctl(39,0,0,0,0)==1 and l.prctl(21,0,0,0,0)==2", "no new privileges"),
], ids=lambda v: v if len(v) < 20 else "")
def test_a_step_is_filtered(world, call, word):
    world.configure("deploy.install_command=/usr/bin/python3 -I step.py")
    world.release("1.1.0", files={"step.py": call + "\n"})
    supervisor = world.start()
    world.announce("1.1.0")
    supervisor.wait(lambda: supervisor.daemon_codes or (world.read_status_file() or {}).get("status") == "update_failed",
                    "an end", look_s=0.05)
    assert supervisor.daemon_codes == [42]


def test_logs_of_old_runs_are_rotated_away(world):
    log = os.path.join(world.state, "log")
    os.makedirs(log, exist_ok=True)
    for i in range(400):
        with open(os.path.join(log, f"20200101T{i // 60:02d}{i % 60:02d}00Z-0001.log"), "w") as f:
            f.write("old\n")
    world.give(log)
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    assert len(os.listdir(log)) < 400


@pytest.mark.skipif(not IS_ROOT, reason="mounting a small file system takes root")
@pytest.mark.parametrize("options,words", [("size=16m", "MiB are free, 64 are needed"),
                                           ("size=128m,nr_inodes=64", "inodes are free, 1024 are needed")])
def test_too_little_room_where_the_install_writes_is_said_before_anything_is_done(world, options, words):
    place = os.path.join(world.root, "small")
    os.mkdir(place)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        world.configure(f"sandbox.write_paths={world.prefix} {world.trace_file} {world.work} {place}")
        world.release("1.1.0")
        world.start()
        status = world.fails("1.1.0", reason="no_space")
        assert place in status["error"] and words in status["error"]
        assert world.head() == world.oids["1.0.0"] and not world.trace
    finally:
        world.supervisors[-1].stop()
        subprocess.run(["umount", place], check=True)


def test_tracked_files_that_the_install_changes_are_named_in_the_log(world):
    world.put("Makefile", world.makefile(after="echo more >> src/program.txt"))
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.wait_log(r"the update has changed 1 tracked files: src/program\.txt")
