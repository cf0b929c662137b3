"""No drift between the tables and the programs: a whole update under strace makes no call that its table does not have."""

import os
import re
import subprocess

import pytest

import remotes
import world as worlds

STRACE = "/usr/bin/strace"
LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)")
LOADS = "SECCOMP_SET_MODE_FILTER"
FORKS = ("clone", "clone3", "fork", "vfork")

# What is tried, refused with ENOSYS and done without, each by whom.
TRIED = {"clone3": "the C library, before clone"}

PROGRAM = """\
#include <stdio.h>
#include <time.h>

int
main(void)
{
	printf("built %ld\\n", (long)time(NULL));
	return 0;
}
"""
BUILD = """\
install: program
\t./program
\tcp VERSION {prefix}/VERSION.new
\tmv {prefix}/VERSION.new {prefix}/VERSION
\tinstall -m 755 program {prefix}/program
\techo install `cat VERSION` >> {trace}
program: program.o other.o
\tgcc -o $@ program.o other.o
%.o: %.c
\tgcc -O1 -c -o $@ $<
"""


def why_not():
    """Why nothing can be traced here, or None."""
    if not os.access(STRACE, os.X_OK):
        return "strace is not installed"
    done = subprocess.run([STRACE, "-f", "-qq", "-o", "/dev/null", "true"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return f"strace cannot trace here: {done.stdout.decode().strip()}" if done.returncode != 0 else None


def printed(room):
    return subprocess.run([os.path.join(worlds.BUILD, "tests", room, "print_tables")], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def rows(text, title):
    """The cells of the table under a title."""
    section = text.split(f"### {title}", 1)[1].split("###")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return cells[2:]


def table_of_steps():
    return {name for _, names in rows(printed("child"), "System calls of the executor and its steps: allowed")
            for name in names.split()}


def table_of_monitor():
    return {name.split(",")[0] for where, name, *_ in rows(printed("parent"), "System calls of the monitor")
            if where != "never"}


class Traced:
    """What strace saw, sorted by who made the call: behind the seal, for monitor, executor and steps."""

    def __init__(self, path):
        self.calls = {"monitor": {}, "executor": {}, "step": {}}
        self.programs = set()  # that steps have started
        self.starting = {}
        self.role = {}
        with open(path, errors="replace") as f:
            lines = f.read().splitlines()
        seals = self._seals(lines)
        for number, line in enumerate(lines):
            self._line(number, line, seals)

    @staticmethod
    def _seals(lines):
        """Of each monitor and executor, the number of the line with its last filter, by pid."""
        is_one, seals = {}, {}
        for number, line in enumerate(lines):
            m = LINE.match(line)
            if not m:
                continue
            pid, name, _, rest = m.groups()
            if name == "execve" and (found := re.match(r'"[^"]*/moult-(monitor|executor)"', rest)):
                is_one[pid] = found[1]
            elif name == "seccomp" and pid in is_one and LOADS in rest:
                seals[pid] = (number, is_one[pid])
        return seals

    def _line(self, number, line, seals):
        m = LINE.match(line)
        if not m:
            return
        pid, name, how, rest = m.groups()
        if pid in seals and number > seals[pid][0]:
            self.role[pid] = seals[pid][1]
        role = self.role.get(pid)
        if role and how == "(":
            self.calls[role].setdefault(name, f"{pid} {name}({rest[:120]}")
        if role == "step" and name == "execve":
            if how == "(":
                # Of a process that is not dumpable strace shows the name to root alone.
                self.starting[pid] = os.path.basename(rest.split('"')[1]) if rest[0] == '"' else "?"
            if rest.endswith("= 0"):
                self.programs.add(self.starting[pid])
        if role in ("executor", "step") and name in FORKS and (child := re.search(r"= (\d+)$", line)):
            self.role.setdefault(child[1], "step")

    def drift(self, role, table):
        return sorted(example for name, example in self.calls[role].items() if name not in table)


def early_children(path):
    """strace may show a child's first calls before its parent's clone has returned: those lines come behind it."""
    with open(path, errors="replace") as f:
        lines = f.read().splitlines()
    born, waiting, ordered = set(), {}, []
    seen = {m[1] for line in lines if line.split()[1:2] and (m := re.search(r"(?:clone3?|v?fork)\b.*= (\d+)$", line))}
    for line in lines:
        pid = line.split(" ", 1)[0]
        if pid in seen and pid not in born:
            waiting.setdefault(pid, []).append(line)
            continue
        ordered.append(line)
        child = re.search(r"(?:clone3?|v?fork)\b.*= (\d+)$", line)
        todo = [child[1]] if child else []
        while todo:
            born.add(todo[0])
            for early in waiting.pop(todo.pop(0), []):
                ordered.append(early)
                child = re.search(r"(?:clone3?|v?fork)\b.*= (\d+)$", early)
                todo += [child[1]] if child else []
    with open(path, "w") as f:
        f.write("\n".join(ordered) + "\n")


def traced(world, transport):
    """A world whose pairs are traced; an update that succeeds, one that fails, and the end."""
    trace = os.path.join(world.root, "strace")
    if transport == "http":
        remote = world.peer(remotes.Http(world))
        redis = world.peer(worlds.RedisServer(world._dir("tcp"), tcp=True).start())
        world.reading = redis.client()
        world.configure(f"deploy.remote={remote.url}", f"redis.url=redis://127.0.0.1:{redis.port}")
    world.put("program.c", PROGRAM)
    world.put("other.c", "int other;\n")
    world.put("Makefile", BUILD.format(prefix=world.prefix, trace=world.trace_file))
    python = "import subprocess, sqlite3, threading\nt = threading.Thread(target=int)\nt.start()\nt.join()\n" \
             "subprocess.run(['true'], check=True)"
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body=python),
                            "002_b.sh": world.shell_migration("1.1.0/002_b", body="ls | sort | wc -l"),
                            "003_c.py": world.python_migration("1.1.0/003_c")})
    world.start(command=[STRACE, "-D", "-f", "-qq", "-A", "-s", "64", "-e", "trace=all", "-o", trace, "--",
                         world.moult, "run", "-f", world.conf])
    world.update("1.1.0", seconds=120)
    assert os.access(os.path.join(world.prefix, "program"), os.X_OK)
    world.put("program.c", "this is no C\n")
    world.release("1.2.0")
    since = world.mark()
    world.announce("1.2.0", current="1.1.0")
    world.wait_status("update_failed", 120, since, reason="install_failed")
    world.supervisors[-1].stop(60)
    early_children(trace)
    return Traced(trace)


@pytest.mark.slow
@pytest.mark.skipif(why_not() is not None, reason=why_not() or "")
@pytest.mark.parametrize("transport", ["file", "http"])
def test_a_whole_update_makes_the_calls_of_the_tables_and_no_other(world, transport):
    seen = traced(world, transport)
    steps, monitor = table_of_steps(), table_of_monitor()
    expected = {"gcc", "cc1", "as", "ld", "collect2", "sh", "cp", "install"}
    expected |= {"git", "make", "python3"} if worlds.IS_ROOT else {"?"}
    assert expected <= {re.sub(r"\.\d+$|^x86_64-linux-gnu-", "", name) for name in seen.programs}
    # It sees what is there: the seals were found, and each role did its work behind them.
    assert {"ppoll", "read", "write", "renameat", "sendto", "recvmsg"} <= set(seen.calls["monitor"])
    assert {"ppoll", "clone", "waitid", "sendto"} <= set(seen.calls["executor"])
    assert {"execve", "landlock_restrict_self", "seccomp", "clone", "unlink"} <= set(seen.calls["step"])
    assert seen.drift("monitor", monitor) == []
    assert seen.drift("executor", steps) == []
    assert seen.drift("step", steps | set(TRIED)) == []
    # And a row less would be told.
    for role, table, name in [("monitor", monitor, "renameat"), ("executor", steps, "waitid"), ("step", steps, "unlink")]:
        assert any(f" {name}(" in example for example in seen.drift(role, table - {name}))
