"""What the sandbox refuses a step is said where people look: in the status, in Redis, in the log, by `moult status`."""

import os

import pytest

import world as worlds

# A real program that asks for the network as many do: it tries, falls back, tries again, gives up.
DOWNLOAD = """\
import socket, sys
for family in (socket.AF_INET6, socket.AF_INET, socket.AF_UNIX):
    try:
        socket.socket(family).close()
    except OSError as e:
        print("download:", e)
sys.exit(1)
"""
NO_NETWORK = ("install was refused socket(2) 3 times: the step has no network; "
              "[sandbox] install_network = yes allows it")


def everywhere(world, status, words):
    """The words stand in every place that a person or a program reads."""
    assert words in status["error"]
    assert words in world.read_status_file()["error"]
    assert words in world.text_of_log()
    assert words in world.history()[-1]["detail"]
    told = world.run("status", "-f", world.conf)
    assert words in " ".join(told.stdout.split())
    return True


def downloading(world):
    world.put("download.py", DOWNLOAD)
    world.put("Makefile", world.makefile(before=f"{worlds.PYTHON} download.py"))
    world.release("1.1.0")


def test_an_install_that_wants_the_network_is_told_which_key_allows_it(world):
    downloading(world)
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert everywhere(world, status, NO_NETWORK)
    assert "download: [Errno 97]" in status["output"]


def test_with_that_key_it_has_the_network(world):
    world.put("download.py", DOWNLOAD.replace("sys.exit(1)", ""))
    world.put("Makefile", world.makefile(before=f"{worlds.PYTHON} download.py"))
    world.release("1.1.0")
    world.configure("sandbox.install_network=yes")
    world.start()
    world.update("1.1.0")
    assert "download:" not in world.run_logs()


def test_a_migration_that_wants_the_network_is_told_its_own_key(world):
    body = "import socket\nsocket.create_connection(('127.0.0.1', 9))"
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body=body)})
    world.start()
    status = world.fails("1.1.0", reason="migration_failed")
    assert everywhere(world, status, "migrate was refused socket(2) 1 time: the step has no network; "
                                     "[sandbox] migrate_network = yes allows it")


@pytest.mark.parametrize("kind", ["python", "shell"])
def test_a_migration_that_writes_outside_is_told_the_path(world, kind):
    outside = os.path.join(world.root, "outside")
    os.mkdir(outside)
    world.give(outside)
    path = os.path.join(outside, "database")
    if kind == "python":
        text = {"001_a.py": world.python_migration("1.1.0/001_a", body=f"open({path!r}, 'w').close()")}
    else:
        text = {"001_a.sh": world.shell_migration("1.1.0/001_a", body=f"echo new > {path} || exit 1")}
    world.release("1.1.0", text)
    world.start()
    status = world.fails("1.1.0", reason="migration_failed")
    assert everywhere(world, status, f"migrate may not write {path}; [sandbox] write_paths names what it may write")
    assert not os.path.exists(path)
    assert world.trace == []


def test_with_the_path_in_write_paths_it_writes(world):
    outside = os.path.join(world.root, "outside")
    os.mkdir(outside)
    world.give(outside)
    path = os.path.join(outside, "database")
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body=f"open({path!r}, 'w').close()")})
    world.configure(f"sandbox.write_paths={world.prefix} {world.trace_file} {outside}")
    world.start()
    world.update("1.1.0")
    assert os.path.exists(path)


def test_an_install_outside_of_its_prefix_is_told_the_path(world):
    elsewhere = os.path.join(world.root, "elsewhere")
    os.mkdir(elsewhere)
    world.give(elsewhere)
    world.put("Makefile", world.makefile(before=f"cp VERSION {elsewhere}/VERSION"))
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert everywhere(world, status, f"install may not write {elsewhere}/VERSION; [sandbox] write_paths")


def test_what_the_modes_of_files_refuse_is_not_called_the_sandbox_s(world):
    closed = os.path.join(world.prefix, "closed")
    with open(closed, "w") as f:
        f.write("root's or nobody's\n")
    os.chmod(closed, 0)
    world.put("Makefile", world.makefile(before=f"cat {closed}"))
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "Permission denied" in status["output"]
    assert "may not" not in status["error"] and "sandbox" not in status["error"]


def test_a_failure_that_was_refused_nothing_says_nothing_of_the_sandbox(world):
    world.put("Makefile", world.makefile(before="echo a plain mistake; exit 3"))
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "refused" not in status["error"] and "sandbox" not in status["error"]


def test_an_update_that_goes_on_without_what_it_was_refused_is_deployed(world):
    world.put("download.py", DOWNLOAD)
    world.put("Makefile", world.makefile(before=f"{worlds.PYTHON} download.py || true"))
    world.release("1.1.1")
    world.start()
    status = world.update("1.1.1")
    assert "error" not in status and world.run_logs().count("download:") == 3


def test_what_an_earlier_step_was_refused_is_not_said_of_a_later_one(world):
    body = "import socket\ntry:\n    socket.socket()\nexcept OSError:\n    pass"
    world.put("Makefile", world.makefile(before="exit 3"))
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body=body)})
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "refused" not in status["error"]


def test_a_flood_of_refused_calls_neither_stops_the_update_nor_the_monitor(world):
    flood = ("import socket\nfor i in range(100000):\n    try:\n        socket.socket()\n"
             "    except OSError:\n        pass\nraise SystemExit(1)\n")
    world.put("flood.py", flood)
    world.put("Makefile", world.makefile(before=f"{worlds.PYTHON} flood.py"))
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="install_failed")
    assert "install was refused socket(2) 100000 times" in status["error"]
