"""Kernels that lack what confines moult: it refuses to start, or, told to, goes on and says everywhere what is missing."""

import hashlib
import os
import shutil
import stat

import pytest

import events
import world as worlds

OLD_KERNEL = os.path.join(worlds.BUILD, "tests/puppets/old_kernel")
NO_LANDLOCK = ["landlock", "landlock-truncate", "landlock-network", "landlock-devices", "landlock-scope"]

# What the kernel is, and which layers moult must find missing on it.
KERNELS = {
    "without seccomp": (["--without", "seccomp"], ["seccomp"]),
    "without Landlock": (["--without", "landlock"], NO_LANDLOCK),
    "without both": (["--without", "seccomp", "--without", "landlock"], ["seccomp", *NO_LANDLOCK]),
    "Landlock ABI 1": (["--landlock-abi", "1"], NO_LANDLOCK),
    "Landlock ABI 2": (["--landlock-abi", "2"], NO_LANDLOCK[1:]),
    "Landlock ABI 3": (["--landlock-abi", "3"], NO_LANDLOCK[2:]),
    "Landlock ABI 4": (["--landlock-abi", "4"], NO_LANDLOCK[3:]),
    "Landlock ABI 5": (["--landlock-abi", "5"], NO_LANDLOCK[4:]),
}
SOCKETS = """\
import errno, socket, sys
try:
    socket.socket(socket.AF_INET)
except OSError as e:
    print("refused", errno.errorcode[e.errno])
else:
    print("opened")
"""


def under(world, options):
    return [OLD_KERNEL, *options, "--", world.moult, "run", "-f", world.conf]


def release(world):
    world.put("Makefile", world.makefile(before=f"{worlds.PYTHON} ask.py"))
    world.put("ask.py", SOCKETS)
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a"),
                            "002_b.sh": world.shell_migration("1.1.0/002_b")})


def snapshot(*tops):
    """Every name below the tops, with what its file holds."""
    seen = {}
    for top in tops:
        for directory, names, files in os.walk(top):
            for name in names + files:
                path = os.path.join(directory, name)
                st = os.lstat(path)
                data = b""
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        data = f.read()
                seen[path] = (st.st_mode, st.st_ino, hashlib.sha256(data).hexdigest())
    return seen


def degraded_lines(world, source):
    """The layers that a process has called missing in the pair's log."""
    return [line.split("DEGRADED: ", 1)[1].split(" is missing")[0] for line in world.text_of_log().splitlines()
            if source in line and "DEGRADED: " in line]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_that_lacks_a_layer_is_refused(world, kernel):
    options, missing = KERNELS[kernel]
    release(world)
    world.announce("1.1.0")
    tops = (world.repo, world.prefix, world.signals, world.work)
    world.give(world.repo)
    before = snapshot(*tops)
    supervisor = world.start(command=under(world, options))
    assert supervisor.wait_pair_code() == 71
    text = world.text_of_log()
    assert f"missing: {', '.join(missing)}." in text
    assert "Linux 6.12" in text and "mode = degrade" in text
    assert snapshot(*tops) == before and world.signal_is_there() and world.trace == []
    assert not [name for _, _, names in os.walk(world.state) for name in names], "nothing is written, not even a status"
    assert "moult-executor" not in text, "the executor is not even started"


@pytest.mark.parametrize("kernel", KERNELS)
def test_told_to_degrade_it_updates_and_says_everywhere_what_is_missing(world, kernel):
    options, missing = KERNELS[kernel]
    release(world)
    world.configure("sandbox.mode=degrade")
    world.start(command=under(world, options))
    status = world.update("1.1.0")
    assert world.installed == "1.1.0"
    assert world.trace == ["migrate 1.1.0/001_a", "migrate 1.1.0/002_b", "install 1.1.0"]
    assert status["degraded"] == missing
    assert world.wait_status_file("deployed")["degraded"] == missing
    assert all(s.get("degraded") == missing for s in world.seen), "each status says it, from the first one on"
    for process in ("moult-monitor", "moult-executor"):
        lines = degraded_lines(world, process)
        assert lines == missing * (len(lines) // len(missing)) and len(lines) == 2 * len(missing), "once in each life"
    told = world.run("status", "-f", world.conf)
    assert told.returncode == 0 and f"{', '.join(missing)}\n" in told.stdout and "degraded" in told.stdout
    refused = "opened" if "seccomp" in missing else "refused EAFNOSUPPORT"
    assert f"\n{refused}\n" in "\n" + world.run_logs()


@pytest.mark.parametrize("kernel, mode", [("this", "require"), ("this", "degrade"), ("ABI 6", "require"),
                                          ("in name only", "require")])
def test_with_all_layers_nothing_is_said_to_be_missing(world, kernel, mode):
    options = {"ABI 6": ["--landlock-abi", "6"],
               "in name only": ["--in-name-only", "--without", "landlock", "--without", "seccomp"]}
    release(world)
    world.configure(f"sandbox.mode={mode}")
    world.start(command=under(world, options[kernel]) if kernel in options else None)
    status = world.update("1.1.0")
    assert "degraded" not in status and not [s for s in world.seen if "degraded" in s]
    assert "degraded" not in world.read_status_file()
    assert "DEGRADED" not in world.text_of_log()
    assert "degraded" not in world.run("status", "-f", world.conf).stdout
    assert "refused EAFNOSUPPORT\n" in world.run_logs()


def only_executor(world, options):
    """A monitor on this kernel whose executor finds an older one."""
    here = os.path.join(world.root, "bin")
    os.mkdir(here)
    for name in ("moult", "moult-monitor"):
        shutil.copy(os.path.join(worlds.BUILD, name), here)
    script = os.path.join(here, "moult-executor")
    with open(script, "w") as f:
        f.write(f'#!/bin/sh\nexec {OLD_KERNEL} {" ".join(options)} -- {worlds.BUILD}/moult-executor "$@"\n')
    os.chmod(script, 0o755)
    world.bin = here


@pytest.mark.parametrize("kernel", ["without seccomp", "without Landlock", "Landlock ABI 5"])
def test_the_executor_looks_for_itself_and_refuses_too(world, kernel):
    options, missing = KERNELS[kernel]
    only_executor(world, options)
    release(world)
    world.announce("1.1.0")
    assert world.start().wait_pair_code() == 71
    rows = [line for line in world.text_of_log().splitlines() if "moult-executor" in line]
    assert all(any(f"{layer} is missing" in row for row in rows) for layer in missing)
    assert any("Linux 6.12" in row for row in rows)
    assert world.trace == [] and world.signal_is_there()


@pytest.mark.parametrize("kernel", ["without seccomp", "without Landlock", "Landlock ABI 5"])
def test_what_the_executor_alone_lacks_is_in_the_status(world, kernel):
    options, missing = KERNELS[kernel]
    only_executor(world, options)
    release(world)
    world.configure("sandbox.mode=degrade")
    world.start()
    assert world.update("1.1.0")["degraded"] == missing


def test_a_start_on_a_better_kernel_takes_the_word_back(world):
    world.configure("sandbox.mode=degrade")
    release(world)
    old = world.start(command=under(world, ["--without", "landlock"]))
    assert world.update("1.1.0")["degraded"] == NO_LANDLOCK
    old.stop()
    world.release("1.2.0")
    world.start()
    since = world.mark()
    assert "degraded" not in world.update("1.2.0", current="1.1.0")
    assert not [s for s in world.seen[since:] if "degraded" in s] and "degraded" not in world.read_status_file()


def test_without_scopes_what_a_step_left_behind_is_ended_all_the_same(world):
    pids, told = os.path.join(world.work, "pids"), os.path.join(world.work, "told")
    left = (f"mkfifo {told}; (setsid sh -c '(setsid sleep 1000 & echo $! >> {pids}; echo > {told}) &' &); "
            f"read x < {told}")
    world.put("Makefile", world.makefile(before=left))
    world.release("1.1.0")
    world.configure("sandbox.mode=degrade")
    world.start(command=under(world, ["--landlock-abi", "5"]))
    world.update("1.1.0")
    with open(pids) as f:
        left = [int(line) for line in f]
    assert left and not [pid for pid in left if events.is_alive(pid)]


def test_where_another_listens_already_refused_calls_fail_but_are_not_counted(world):
    world.put("ask.py", SOCKETS + "sys.exit(1)\n")
    world.put("Makefile", world.makefile(before=f"{worlds.PYTHON} ask.py"))
    world.release("1.1.0")
    world.start(command=under(world, ["--landlock-abi", "6"]))
    status = world.fails("1.1.0", reason="install_failed")
    assert "refused EAFNOSUPPORT" in status["output"]
    assert "was refused" not in status["error"]
