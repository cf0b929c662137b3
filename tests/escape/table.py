#!/usr/bin/python3
"""table.py - what each layer is worth, as Markdown: every attempt, with and without it.

usage: table.py [--peers]

Runs the escape suite of the build directory in MOULT_TEST_BUILD. With --peers, the attempts of a
hostile migration run in other sandboxes as well. The exit status is that of the suite.
"""
import collections
import errno
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MOULT_TEST_BUILD", ROOT / "build")).resolve() / "tests/escape"
WHO = {"migrate": "migration", "install": "Makefile", "migrate+net": "migration with network"}
LIMIT_S = 20  # of one attempt in another sandbox
END_S = 0.5  # for a sandbox that has ended, while the kernel still kills what was in it
LEAKED_FD = 60

Row = collections.namedtuple("Row", "number who does layers why came")


def stopped(came):
    return came not in ("OPEN", "never ends", "not tried", "not here")


def run_suite():
    """The rows of both programs, the sets they ran on, and whether all was as the rows say."""
    rows, sets, good = [], [], True
    for program in ("test_monitor", "test_step"):
        done = subprocess.run([BUILD / program, "--table"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
        good = good and done.returncode == 0
        for line in done.stdout.splitlines():
            cells = line.split("\t")
            if cells[0] == "#":
                sets = cells[5:]
            elif len(cells) > 5:
                rows.append(Row(int(cells[0]), *cells[1:5], dict(zip(sets, cells[5:]))))
            elif "WRONG" in line:
                print(line)
    return sorted(rows), sets, good


def alone(row):
    """The layers of which each by itself has stopped it here; K: it never was open."""
    bare = row.came.get("one: none")
    if bare is None or stopped(bare):
        return "K"
    letters = ["U"] if stopped(row.came.get("two: U alone", "OPEN")) else []
    letters += [s.split()[1] for s in row.came if s.endswith(" alone") and s.startswith("one: ")
                and stopped(row.came[s])]
    return "".join(letters) or "-"


def needed(row):
    """The layers without which it is open, all others being on."""
    return "".join(s[-1] for s in row.came if s.startswith("one: all but ")
                   and row.came[s] == "OPEN" and row.came["one: all"] != "OPEN")


def print_rows(rows):
    two = "two: all" in rows[0].came
    print("| # | who | attempt | %sone user | alone | open without |" % ("two users | " if two else ""))
    print("| ---: | --- | --- | %s--- | --- | --- |" % ("--- | " if two else ""))
    for row in rows:
        cells = [str(row.number + 1), WHO.get(row.who, row.who), row.does.replace("|", "\\|")]
        cells += [row.came["two: all"]] if two else []
        print("| %s |" % " | ".join(cells + [row.came["one: all"], alone(row), needed(row)]))


def print_sets(rows, sets):
    print("\n| layers | tried | open | of these known |\n| --- | ---: | ---: | ---: |")
    for name in sets:
        tried = [r for r in rows if r.came[name] not in ("not here", "not tried")]
        unstopped = [r for r in tried if r.came[name] == "OPEN"]
        words = name.replace("one: ", "one user, ").replace("two: ", "two users, ")
        print("| %s | %d | %d | %d |" % (words, len(tried), len(unstopped), sum(1 for r in unstopped if r.why)))


LAYOUTS = {"one: all": "one user", "two: all": "two users", "two: all, as root": "deploy_user = root"}


def print_open(rows):
    print("\nOpen with all layers on, and why:\n")
    for row in rows:
        layouts = [name for name in LAYOUTS if name in row.came]
        unstopped = [name for name in layouts if row.came[name] == "OPEN"]
        if unstopped:
            where = "always" if unstopped == layouts else ", ".join(LAYOUTS[name] for name in unstopped)
            why = row.why or ("root's rights are what was asked for" if unstopped == ["two: all, as root"] else "NOT KNOWN")
            print("- %s %s (%s): %s" % (WHO.get(row.who, row.who), row.does, where, why))
    print("\n%d attempts; open with all layers on: %s." % (len(rows), ", ".join(
        "%d (%s)" % (sum(1 for r in rows if r.came[name] == "OPEN"), words)
        for name, words in LAYOUTS.items() if name in rows[0].came)))


# ---- other sandboxes ----------------------------------------------------------------------------

def bubblewrap(stage):
    flags = ["--unshare-all", "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--clearenv",
             "--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", "--proc", "/proc", "--dev", "/dev"]
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        if os.path.islink("/" + name):
            flags += ["--symlink", os.readlink("/" + name), "/" + name]
        elif os.path.isdir("/" + name):
            flags += ["--ro-bind", "/" + name, "/" + name]
    return ["bwrap", *flags, "--ro-bind", stage + "/repo", stage + "/repo",
            "--bind", stage + "/state/tmp", stage + "/state/tmp", "--chdir", stage + "/repo", "--"]


def firejail(stage):
    return ["firejail", "--quiet", "--noprofile", "--caps.drop=all", "--nonewprivs", "--noroot", "--seccomp",
            "--net=none", "--ipc-namespace", "--private-dev", "--disable-mnt", "--nogroups", "--nodbus",
            "--whitelist=%s/repo" % stage, "--read-only=%s/repo" % stage, "--whitelist=%s/state/tmp" % stage]


def systemd(stage):
    properties = ["User=%s" % pwd.getpwuid(ordinary().pw_uid).pw_name, "NoNewPrivileges=yes", "PrivateDevices=yes",
                  "PrivateNetwork=yes", "PrivateUsers=yes", "PrivateIPC=yes", "ProtectSystem=strict", "ProtectHome=yes",
                  "ProtectProc=invisible", "ProcSubset=pid", "ProtectClock=yes", "ProtectHostname=yes",
                  "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes",
                  "ProtectControlGroups=yes", "RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes",
                  "RestrictAddressFamilies=none", "LockPersonality=yes", "MemoryDenyWriteExecute=yes",
                  "CapabilityBoundingSet=", "SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM",
                  "SystemCallArchitectures=native", "ReadWritePaths=%s/state/tmp" % stage, "KillMode=control-group",
                  "LimitCORE=0", "LimitNPROC=4096", "InaccessiblePaths=%s/keys %s/home" % (stage, stage)]
    return ["systemd-run", "--quiet", "--wait", "--pipe", *[w for p in properties for w in ("-p", p)]]


def ordinary():
    """Who tries it: a person's account, for some sandboxes serve no other."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    return next((u for u in pwd.getpwall() if 1000 <= u.pw_uid < 60000), pwd.getpwnam("nobody"))


def as_ordinary():
    if os.geteuid():
        return {}
    user = ordinary()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def absent(name):
    """Why a sandbox cannot run here; None: it can."""
    tool = {"bubblewrap": "bwrap", "firejail": "firejail", "systemd-run": "systemd-run"}[name]
    if name == "systemd-run" and not os.path.isdir("/run/systemd/system"):
        return "process 1 is not systemd"
    if not shutil.which(tool):
        return "it is not installed"
    if name == "systemd-run":
        return None if os.geteuid() == 0 else "it takes root"
    probe = [tool, "--ro-bind", "/", "/", "true"] if tool == "bwrap" else [tool, "--quiet", "--noprofile", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **as_ordinary())
    return None if done.returncode == 0 else (done.stderr.strip() or "it does not start").splitlines()[0]


def exit_words(code):
    if code == 0:
        return "OPEN"
    if code < 0 or 128 < code <= 128 + signal.SIGSYS:
        return signal.Signals(-code if code < 0 else code - 128).name
    return {250: "no effect", 251: "not here", 252: "BROKEN"}.get(code) or errno.errorcode.get(code, str(code))


class Stage:
    """Holds what is attacked, at the other end of a pipe."""

    def __init__(self):
        self.process = subprocess.Popen([BUILD / "test_step", "--hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, **as_ordinary())
        self.root = self.process.stdout.readline().strip()

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def attempt(self, prefix, row):
        if self.ask("try %d" % row.number) == "skip":
            return "not tried"
        command = prefix + [self.root + "/repo/program", self.root + "/repo/.stage", str(row.number)]
        who = {} if prefix[0] == "systemd-run" else as_ordinary()
        os.set_inheritable(LEAKED_FD, True)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              pass_fds=[LEAKED_FD], start_new_session=True, **who) as process:
            try:
                came = exit_words(process.wait(LIMIT_S))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                came = "never ends"
        if row.does.startswith("outlives"):
            time.sleep(END_S)
        seen = self.ask("look %d" % row.number)
        if came in ("OPEN", "no effect") and seen != "unseen":
            return "OPEN" if seen == "yes" else "no effect"
        return came


PEERS = {"bubblewrap": bubblewrap, "firejail": firejail, "systemd-run": systemd}


def print_peers(rows):
    os.dup2(os.open("/dev/null", os.O_RDONLY), LEAKED_FD)
    why = {name: absent(name) for name in PEERS}
    rows = [r for r in rows if r.who == "migrate"]
    came = {"moult": [r.came["one: all"] for r in rows]}
    for name, prefix in PEERS.items():
        if why[name]:
            continue
        stage = Stage()
        try:
            came[name] = [stage.attempt(prefix(stage.root), row) for row in rows]
        finally:
            stage.end()
    print("| attempt of a hostile migration, one user | %s |" % " | ".join(came))
    print("| --- | %s |" % " | ".join("---" for _ in came))
    both = [i for i in range(len(rows)) if not any(c[i] in ("not tried", "not here") for c in came.values())]
    for i in both:
        print("| %s | %s |" % (rows[i].does.replace("|", "\\|"), " | ".join(c[i] for c in came.values())))
    print("| **open, of %d** | %s |" % (len(both), " | ".join(
        "**%d**" % sum(1 for i in both if not stopped(c[i])) for c in came.values())))
    print("\nOf a sandbox that never ends, something outlived the attempt. OPEN also counts what a namespace keeps in: such a call reaches the kernel, and nothing of moult's.")
    for name, reason in why.items():
        if reason:
            print("\n%s could not run here: %s." % (name, reason))


def main():
    rows, sets, good = run_suite()
    if not rows:
        sys.exit("the suite did not run")
    if "--peers" in sys.argv[1:]:
        print_peers(rows)
    else:
        print_rows(rows)
        print_sets(rows, sets)
        print_open(rows)
    sys.exit(0 if good else 1)


main()
