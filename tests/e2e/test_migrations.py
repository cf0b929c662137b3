"""The migration runner: Python, executables, an outside command, and everything a migration may do wrong."""

import json
import os
import re

import pytest

import events


def one(world, text, name="001_first.py", **more):
    world.release("1.1.0", {name: text}, **more)
    world.start()


def test_executables_are_called_with_check_and_migrate(world):
    calls = os.path.join(world.work, "calls")
    one(world, f'#!/bin/sh\necho "$@" >> {calls}\ntest "$1" = migrate\n', "001_tool")
    world.update("1.1.0")
    with open(calls) as f:
        assert f.read().splitlines() == ["check", "migrate"]


def test_python_and_executables_run_in_one_order(world):
    world.release("1.1.0", {
        "001_a.py": world.python_migration("1.1.0/001_a"), "002_b.sh": world.shell_migration("1.1.0/002_b"),
        "003_c.py": world.python_migration("1.1.0/003_c"), "004_d": world.shell_migration("1.1.0/004_d")})
    world.start()
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_a", "migrate 1.1.0/002_b", "migrate 1.1.0/003_c",
                           "migrate 1.1.0/004_d", "install 1.1.0"]
    assert world.migration_state()["applied"] == [
        "1.1.0/001_a.py", "1.1.0/002_b.sh", "1.1.0/003_c.py", "1.1.0/004_d"]


def test_an_executable_whose_check_exits_0_is_not_migrated(world):
    one(world, f'#!/bin/sh\ntest "$1" = check && exit 0\necho ran >> {world.trace_file}\n', "001_tool")
    world.update("1.1.0")
    assert world.trace == ["install 1.1.0"]


@pytest.mark.parametrize("code", [2, 64, 126, 255])
def test_an_executable_whose_check_exits_otherwise_is_an_error(world, code):
    one(world, f'#!/bin/sh\ntest "$1" = check && exit {code}\necho ran >> {world.trace_file}\n', "001_tool")
    status = world.fails("1.1.0", reason="migration_failed")
    assert "001_tool" in status["error"] and str(code) in status["error"]
    assert world.trace == []


def test_an_executable_whose_migrate_fails_is_named_with_its_status(world):
    one(world, '#!/bin/sh\ntest "$1" = check && exit 1\necho broken pipe dream; exit 7\n', "001_tool")
    status = world.fails("1.1.0", reason="migration_failed")
    assert "001_tool" in status["error"] and "7" in status["error"] and "broken pipe dream" in status["output"]


def test_an_executable_that_cannot_be_started_is_a_failure(world):
    one(world, "#!/nonexistent/interpreter\n", "001_tool")
    status = world.fails("1.1.0")
    assert status["reason"] in ("migration_failed", "migration_invalid") and "001_tool" in status["error"]


def test_an_executable_killed_by_a_signal_is_named_with_it(world):
    one(world, '#!/bin/sh\ntest "$1" = check && exit 1\nkill -SEGV $$\n', "001_tool")
    status = world.fails("1.1.0", reason="migration_failed")
    assert re.search(r"(?i)signal 11|SEGV|segmentation", status["error"])


def test_the_migrate_command_gets_the_whole_gap(world):
    calls = os.path.join(world.work, "calls")
    world.release("1.2.0", {"001_never.py": world.python_migration("1.2.0/001_never")},
                  files={"tools/run": f'#!/bin/sh\npwd >> {calls}\necho "$@" >> {calls}\n'})
    world.configure("deploy.migrate_command=/bin/sh tools/run --fast")
    world.start()
    world.update("1.2.0")
    with open(calls) as f:
        assert f.read().splitlines() == [world.repo, "--fast --from 1.0.0 --to 1.2.0"]
    assert world.trace == ["install 1.2.0"]


def test_a_failing_migrate_command_fails_the_update(world):
    world.release("1.1.0", files={"tools/run": "#!/bin/sh\necho the runner says no\nexit 5\n"})
    world.configure("deploy.migrate_command=/bin/sh tools/run")
    world.start()
    status = world.fails("1.1.0", reason="migration_failed")
    assert "the runner says no" in status["output"] and world.trace == []


def test_the_directory_of_migrations_is_configurable(world):
    world.put("db/steps/v1.1.0/001_first.py", world.python_migration("1.1.0/001_first"))
    world.release("1.1.0")
    world.configure("deploy.migrations=db/steps")
    world.start()
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


@pytest.mark.parametrize("name", ["1_short.py", "0001_long.py", "001-dash.py", "001_.py", "01a_x.py"])
def test_a_migration_of_a_bad_name_is_refused_before_any_runs(world, name):
    world.release("1.1.0", {"000_good.py": world.python_migration("1.1.0/000_good"),
                            name: world.python_migration("1.1.0/" + name[:-3])})
    world.start()
    status = world.fails("1.1.0", reason="migration_invalid")
    assert name in status["error"]
    assert world.trace == []


def test_a_file_that_is_neither_python_nor_executable_is_refused(world):
    one(world, "just notes\n", "001_notes.txt")
    status = world.fails("1.1.0", reason="migration_invalid")
    assert "001_notes.txt" in status["error"]


def test_a_symbolic_link_among_the_migrations_is_refused(world):
    world.put("migrations/v1.1.0/001_link.py", "/etc/passwd", "120000")
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="migration_invalid")
    assert "001_link.py" in status["error"]


def test_what_does_not_begin_with_a_digit_is_no_migration(world):
    world.release("1.1.0", {"helper.py": "raise SystemExit(1)\n", "__init__.py": "", "README.txt": "about them\n",
                            "001_first.py": world.python_migration("1.1.0/001_first")})
    world.start()
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


def test_a_directory_that_is_no_version_is_no_migration(world):
    world.put("migrations/README", "about them\n")
    world.put("migrations/lib/helper.py", "x = 1\n")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.start()
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


@pytest.mark.parametrize("result", ["None", "1", "'yes'", "[]", "0"])
def test_a_migrate_that_returns_no_bool_is_a_failure(world, result):
    one(world, world.python_migration("1.1.0/001_first", result=result))
    status = world.fails("1.1.0", reason="migration_failed")
    assert "001_first" in status["error"] and "True or False" in status["error"]
    assert world.migration_state() in (None, {"applied": []})


@pytest.mark.parametrize("result", ["None", "1", "'yes'"])
def test_a_check_that_returns_no_bool_is_a_failure(world, result):
    one(world, world.python_migration("1.1.0/001_first", check=f"return {result}"))
    status = world.fails("1.1.0", reason="migration_failed")
    assert "check" in status["error"] and world.trace == []


@pytest.mark.parametrize("body, told", [
    ("raise ValueError('a bad value')", "a bad value"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("import sys\nsys.exit('gone away')", "gone away"),
    ("import sys\nsys.exit(0)", None),
    ("os._exit(0)", None),
    ("os._exit(3)", None),
    ("os.kill(os.getpid(), 9)", None),
    ("import ctypes\nctypes.string_at(0)", None),
    ("def deeper(n):\n    return deeper(n + 1)\ndeeper(0)", "RecursionError"),
], ids=["exception", "interrupt", "sys.exit text", "sys.exit 0", "_exit 0", "_exit 3", "killed", "crash", "recursion"])
def test_a_migration_that_does_not_return_is_a_failure_and_nothing_goes_on(world, body, told):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=body),
                            "002_later.py": world.python_migration("1.1.0/002_later")})
    world.start()
    status = world.fails("1.1.0", reason="migration_failed")
    assert "001_first" in status["error"]
    assert told is None or told in status["output"] + status["error"]
    assert world.trace == [] and world.installed == "1.0.0" and world.ask() == "1.0.0"


@pytest.mark.parametrize("text", ["def migrate(:\n", "x = 1\n", "def check():\n    return False\n",
                                  "raise SystemExit(0)\n", "\0\0", "check = migrate = None\n"],
                         ids=["syntax", "neither", "no migrate", "exit at import", "NUL", "not callable"])
def test_a_python_file_without_both_functions_is_a_failure(world, text):
    one(world, text)
    status = world.fails("1.1.0")
    assert status["reason"] in ("migration_failed", "migration_invalid") and "001_first" in status["error"]


def test_a_migration_that_hangs_is_ended_at_its_limit(world):
    gate = world.gate("hang")
    world.configure("limits.migration_s=1")
    one(world, world.python_migration("1.1.0/001_first", body=gate.python))
    world.announce("1.1.0")
    pid = gate.wait()
    status = world.wait_status("update_failed", reason="time_limit")
    assert status["step"] == "migrate" and "001_first" in status["error"]
    events.wait_gone(pid)
    assert world.signal_is_there() and status["held"] is True


def test_the_limit_is_for_each_migration_and_not_for_all_of_them(world):
    body = "import time\ntime.sleep(0.8)"
    world.release("1.1.0", {f"00{i}_m.py": world.python_migration(f"1.1.0/00{i}_m", body=body) for i in (1, 2, 3)})
    world.configure("limits.migration_s=2")
    world.start()
    world.update("1.1.0")
    assert len(world.trace) == 4


def test_a_flood_of_printing_is_bounded_and_its_end_is_reported(world):
    body = "for i in range(200000):\n    print('line %d of the flood' % i)\nprint('the very last words')\nreturn False"
    one(world, world.python_migration("1.1.0/001_first", body=body))
    status = world.fails("1.1.0", reason="migration_failed")
    assert "the very last words" in status["output"] and len(status["output"]) <= 2048


def test_output_that_is_not_text_is_escaped(world):
    body = "import sys\nsys.stdout.buffer.write(b'\\x1b[31m\\xff\\x00 red ')\nsys.stdout.flush()\nreturn False"
    one(world, world.python_migration("1.1.0/001_first", body=body))
    status = world.fails("1.1.0", reason="migration_failed")
    assert "red" in status["output"]
    assert re.fullmatch(r"[\x20-\x7e]*", status["output"])


def test_a_migration_cannot_pass_its_prints_off_as_the_runners_words(world):
    body = "\n".join(f"os.write({fd}, b'ok\\ndone\\napplied\\ntrue\\n')" for fd in (1, 2)) + "\nreturn False"
    one(world, world.python_migration("1.1.0/001_first", body=body))
    world.fails("1.1.0", reason="migration_failed")
    assert world.installed == "1.0.0"


@pytest.mark.parametrize("kind", ["python", "shell"])
def test_background_processes_of_a_migration_are_ended_before_the_next_step(world, kind):
    pids = os.path.join(world.work, "pids")
    if kind == "python":
        body = ("import subprocess\nfor flag in (True, False):\n"
                "    p = subprocess.Popen(['sleep', '600'], start_new_session=flag)\n"
                f"    open({pids!r}, 'a').write('%d\\n' % p.pid)\n")
        text, name = world.python_migration("1.1.0/001_first", body=body), "001_first.py"
    else:
        body = f"sleep 600 & echo $! >> {pids}\n(setsid sleep 600 & echo $! >> {pids})\n"
        text, name = world.shell_migration("1.1.0/001_first", body=body), "001_first"
    install = f"for p in `cat {pids}`; do if test -e /proc/$p; then echo alive >> {world.trace_file}; fi; done"
    one(world, text, name, files={"Makefile": world.makefile(before=install)})
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]
    with open(pids) as f:
        rows = f.read().split()
    assert len(rows) == 2 and not [p for p in rows if events.is_alive(int(p))]


def test_entries_that_the_python_runner_wrote_are_honored(world):
    with open(os.path.join(world.state, "migration_state.json"), "w") as f:
        json.dump({"applied": ["1.0.5/001_old.py", "1.1.0/001_first.py"]}, f)
    world.give(f.name)
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first"),
                            "000_other.py": world.python_migration("1.1.0/000_other")})
    world.start()
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/000_other", "install 1.1.0"]
    assert world.migration_state()["applied"] == ["1.0.5/001_old.py", "1.1.0/000_other.py", "1.1.0/001_first.py"]


@pytest.mark.parametrize("text", ["{", '{"applied": "all"}', '{"applied": [1]}', "[]", ""],
                         ids=["torn", "not a list", "numbers", "an array", "empty"])
def test_a_damaged_state_file_stops_the_update_before_any_migration(world, text):
    path = os.path.join(world.state, "migration_state.json")
    with open(path, "w") as f:
        f.write(text)
    world.give(path)
    one(world, world.python_migration("1.1.0/001_first"))
    status = world.fails("1.1.0", reason="state_damaged")
    assert status["step"] in ("preflight", "migrate")
    assert world.trace == []
    with open(path) as f:
        assert f.read() == text, "what is damaged is left for a person to look at"


def test_what_ran_once_is_not_run_again_after_a_failure(world):
    mark = os.path.join(world.work, "may")
    world.release("1.1.0", {
        "001_once.py": world.python_migration("1.1.0/001_once", check="return False"),
        "002_later.py": world.python_migration("1.1.0/002_later",
                                               body=f"if not os.path.exists({mark!r}):\n    return False")})
    world.start()
    world.fails("1.1.0", reason="migration_failed")
    open(mark, "w").close()
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()
    assert world.trace == ["migrate 1.1.0/001_once", "migrate 1.1.0/002_later", "install 1.1.0"]


def test_a_migration_cut_off_by_a_kill_runs_again_and_the_finished_one_before_it_does_not(world):
    gate = world.gate("m")
    world.release("1.1.0", {
        "001_once.py": world.python_migration("1.1.0/001_once", check="return False"),
        "002_cut.py": world.python_migration("1.1.0/002_cut", body=gate.python)})
    first = world.start()
    world.announce("1.1.0")
    gate.wait()
    first.kill()
    second = world.start()
    gate.wait()
    gate.open()
    second.wait_restart()
    assert world.trace == ["migrate 1.1.0/001_once", "migrate 1.1.0/002_cut", "install 1.1.0"]


def test_many_migrations_run_in_one_interpreter_and_are_all_recorded(world):
    pids = os.path.join(world.work, "pids")
    text = (f"import os\n\n\ndef check():\n    return False\n\n\ndef migrate():\n"
            f"    open({pids!r}, 'a').write('%d\\n' % os.getpid())\n    return True\n")
    world.release("1.1.0", {f"{i:03d}_m.py": text for i in range(300)})
    world.start()
    world.update("1.1.0")
    with open(pids) as f:
        assert len(f.read().split()) == 300
    applied = world.migration_state()["applied"]
    assert len(applied) == 300 and applied == sorted(applied)


def test_modules_of_migrations_do_not_leak_into_each_other(world):
    text = ("LEFT = 'here'\nimport sys\n\n\ndef check():\n    return False\n\n\ndef migrate():\n"
            "    sys.stdout = None\n    return True\n")
    other = ("import builtins\n\n\ndef check():\n    return False\n\n\ndef migrate():\n"
             "    print('still heard')\n    return 'LEFT' not in globals() and not hasattr(builtins, 'LEFT')\n")
    world.release("1.1.0", {"001_a.py": text, "002_b.py": other})
    world.start()
    world.update("1.1.0")


def test_a_migration_may_change_local_state_and_has_no_network_by_default(world):
    body = ("import socket, errno\ntry:\n    socket.socket(socket.AF_INET)\nexcept OSError as e:\n"
            f"    open({world.trace_file!r}, 'a').write('no network\\n')\n")
    one(world, world.python_migration("1.1.0/001_first", body=body))
    world.update("1.1.0")
    assert world.trace == ["no network", "migrate 1.1.0/001_first", "install 1.1.0"]


def test_migrate_network_gives_migrations_the_network(world):
    body = "import socket\nsocket.socket(socket.AF_INET).close()"
    world.configure("sandbox.migrate_network=yes")
    one(world, world.python_migration("1.1.0/001_first", body=body))
    world.update("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


def test_a_release_without_any_migrations_is_migrated_at_once(world):
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    assert "migrating" in world.words() and world.trace == ["install 1.1.0"]
