"""Breaks one call after another of a real update, and looks each time whether anything was lost.

    sweep.py crash|fault [--roles me] [--modes kill,pair,...] [--every N] [--seed S] [--points A-B] [--jobs N]

Each point is one life of a daemon (inject.c) with an announced update of two migrations: its pair is traced, call
number N is broken, and what is left is started again as a supervisor would. Then the promises are looked at. A mode's
sweep ends at the call behind the last one. A point that fails prints the command that repeats it.
"""

import argparse
import errno
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import events  # noqa: E402
import world as worlds  # noqa: E402

INJECT = os.path.join(worlds.BUILD, "tests", "fault", "inject")
LIMIT_S = 60
ERRORS = ["EIO", "ENOSPC", "ENOMEM", "EMFILE", "EINTR", "EAGAIN", "EPERM", "EROFS", "EDQUOT"]
KILLS = ["kill", "kill+", "pair", "all"]
SWEEPS = {
    "crash": [("m", m) for m in KILLS] + [("e", m) for m in KILLS] + [("s", "kill")],
    "fault": [(r, m) for r in "me" for m in
              ["err:" + e for e in ERRORS] + ["ever:EIO", "ever:ENOSPC", "ever:ENOMEM", "ever:EMFILE", "short"]],
}


class Lost(Exception):
    """A promise that was not kept."""


class Life:
    """One daemon instance: inject as the parent of every pair of it."""

    def __init__(self, place, roles="", mode="count", number=0, pairs=8):
        name, _, error = mode.partition(":")
        mode = name + (":%d" % getattr(errno, error) if error else "")
        argv = [INJECT, "-r", roles or "-", "-m", mode, "-n", str(number), "-p", str(pairs), "--",
                os.path.join(worlds.BUILD, "moult-monitor"), "-f", place.conf]
        self.codes, self.lines, self.count, self.at = [], b"", None, None
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=place.errors,
                                        env=place.env, cwd="/")

    def hear(self, wait_s):
        """Reads events for a while; False at the end."""
        if not select.select([self.process.stdout], [], [], wait_s)[0]:
            return True
        data = os.read(self.process.stdout.fileno(), 4096)
        self.lines += data
        *whole, self.lines = self.lines.split(b"\n")
        for line in whole:
            word, _, rest = line.decode().partition(" ")
            if word == "pair":
                self.codes.append(int(rest))
            elif word == "count":
                self.count = int(rest)
            elif word == "at":
                self.at = rest
        return bool(data)

    def end(self):
        """Ends the pair that runs, and the life."""
        self.process.stdin.close()
        deadline = time.monotonic() + LIMIT_S
        while self.hear(0.2):
            if time.monotonic() > deadline:
                self.kill()
                raise Lost("the pair does not end when it is asked to")
        self.process.wait()
        self.process.stdout.close()

    def kill_pair(self):
        for pid in events.descendants(self.process.pid):
            events.end(pid)

    def kill(self):
        for pid in [*events.descendants(self.process.pid), self.process.pid]:
            events.end(pid)
        self.process.wait()


class Place:
    """A world at v1.0.0 with v1.1.0 announced, which can be had again and again."""

    def __init__(self):
        w = self.world = worlds.World(redis=False)
        w.release("1.1.0", {"001_first.py": w.python_migration("1.1.0/001_first"),
                            "002_second": w.shell_migration("1.1.0/002_second")})
        w.configure("limits.retry_s=1", "limits.fetch_s=20", "limits.checkout_s=20", "limits.migration_s=20",
                    "limits.install_s=20")
        self.conf, self.env, self.errors = w.conf, w.env, w.errors
        self.kept = w.root + ".kept"
        subprocess.run(["cp", "-a", w.root, self.kept], check=True)

    def renew(self):
        w = self.world
        subprocess.run(["find", w.root, "-mindepth", "1", "-delete"], check=True)
        subprocess.run(["cp", "-a", self.kept + "/.", w.root], check=True)
        w.errors.close()
        w.errors = self.errors = open(w.errors.name, "ab")
        w.announce("1.1.0")

    def remove(self):
        shutil.rmtree(self.kept)
        self.world.errors.close()
        self.world.remove()

    # ---- what is on the disk

    def status(self):
        try:
            return self.world.read_status_file()
        except ValueError as wrong:
            raise Lost(f"status.json is not JSON: {wrong}")

    def read_all(self):
        """Everything that the next start reads must be readable."""
        state = self.world.state
        status = self.status()
        for name in ("migration_state.json", "history.jsonl"):
            path = os.path.join(state, name)
            if os.path.exists(path):
                text = open(path).read()
                try:
                    rows = [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)
                except ValueError as wrong:
                    raise Lost(f"{name} is not JSON: {wrong}")
                assert rows is not None
        if os.path.exists(os.path.join(state, "journal.damaged")):
            raise Lost("the journal was damaged")
        return status


def drive(place, life, retries=3, for_ever=False):
    """Until the life has ended with 42: asks for a retry where an update is held. The number of retries.

    for_ever: the first pair cannot recover; once it has reported that, it is killed.
    """
    asked, deadline = 0, time.monotonic() + LIMIT_S
    told = None
    while life.hear(0.02):
        if life.codes and life.codes[-1] == 42 and life.count is not None:
            continue
        if time.monotonic() > deadline:
            life.kill()
            raise Lost(f"nothing comes of it in {LIMIT_S} s: pairs ended with {life.codes}, status {place.status()}")
        status = place.status()
        if for_ever and not life.codes and status and status["status"] == "update_failed":
            life.kill_pair()
            for_ever = False
        if status and status["status"] == "update_failed" and status.get("held") and status != told:
            told = status
            if not status.get("error"):
                raise Lost("held without a word why")
            if not place.world.signal_is_there():
                raise Lost("held, and the signal is gone")
            asked += 1
            if asked > retries:
                life.kill()
                raise Lost(f"held {asked} times: {status['error']}")
            with open(place.world.signal + ".retry", "w") as f:
                os.fchmod(f.fileno(), 0o644)
    return asked


def settled(place, target):
    """The promises, when all is over."""
    w = place.world
    if w.installed != "1.1.0" or w.head() != target:
        raise Lost(f"installed is {w.installed}, HEAD {w.head()}")
    if w.signal_is_there():
        raise Lost("the signal was acted on and is still there")
    if [n for n in os.listdir(w.signals) if n != os.path.basename(w.signal)]:
        raise Lost(f"left beside the signal: {os.listdir(w.signals)}")
    for name in ("1.1.0/001_first", "1.1.0/002_second"):
        if w.trace.count("migrate " + name) != 1:
            raise Lost(f"{name} ran {w.trace.count('migrate ' + name)} times")
    state = w.migration_state()
    if state is None or state["applied"] != ["1.1.0/001_first.py", "1.1.0/002_second"]:
        raise Lost(f"migration_state.json says {state}")


def one_point(place, roles, mode, number):
    """Lives through one point. (call that was broken, or None when there is none left; number of calls)"""
    place.renew()
    target = place.world.oids["1.1.0"]
    life = Life(place, roles, mode, number)
    drive(place, life, for_ever=mode.startswith("ever"))
    life.process.wait()
    life.process.stdin.close()
    life.process.stdout.close()
    if life.codes[-1:] != [42]:
        raise Lost(f"the life ends without a restart: {life.codes} at {life.at}")
    if life.codes.count(42) != 1:
        raise Lost(f"restarted more than once: {life.codes}")
    status = place.read_all()
    if status and status["status"] == "deployed":
        raise Lost("deployed is said before the new daemon runs")
    again = Life(place, "-", "count", 0, pairs=2)
    deadline = time.monotonic() + LIMIT_S
    while again.hear(0.02) and not again.codes:
        status = place.status()
        if status and status["status"] == "deployed":
            break
        if time.monotonic() > deadline:
            again.kill()
            raise Lost(f"the new daemon's pair does not say deployed: {status}")
    again.end()
    if 42 in again.codes:
        raise Lost(f"the new daemon is restarted as well: {again.codes}")
    settled(place, target)
    return life.at, life.count


class Sweep:
    def __init__(self, name, roles, mode, numbers, places):
        self.sweep_name, self.roles, self.mode, self.numbers, self.places = name, roles, mode, iter(numbers), places
        self.lock = threading.Lock()
        self.points = 0
        self.last = False
        self.wrong = []

    def take(self):
        with self.lock:
            return None if self.last else next(self.numbers, None)

    def work(self, place):
        while (number := self.take()) is not None:
            try:
                at, _ = one_point(place, self.roles, self.mode, number)
            except (Lost, AssertionError, OSError) as lost:
                with self.lock:
                    self.wrong.append((number, str(lost)))
                print(f"LOST roles={self.roles} mode={self.mode} point={number}: {lost}\n"
                      f"     repeat: make {self.sweep_name} SWEEP='--roles {self.roles} --modes {self.mode} --points {number}-{number}'",
                      flush=True)
                keep_log(place, self.roles, self.mode, number)
                continue
            with self.lock:
                if at is None:
                    self.last = True
                else:
                    self.points += 1

    def run(self):
        with ThreadPoolExecutor(len(self.places)) as pool:
            list(pool.map(self.work, self.places))
        return self


def keep_log(place, roles, mode, number):
    directory = os.environ.get("MOULT_SWEEP_LOGS")
    if directory:
        shutil.copy(place.world.errors.name,
                    os.path.join(directory, f"{roles}-{mode.replace(':', '-')}-{number}.log"))


def count(place, roles, mode):
    """How many calls of these roles a whole update makes, of the kind that the mode counts."""
    place.renew()
    life = Life(place, roles, mode if mode in KILLS else "count", 10 ** 9)
    drive(place, life)
    life.process.wait()
    life.process.stdin.close()
    life.process.stdout.close()
    if life.codes != [42]:
        raise Lost(f"an update without a fault ends with {life.codes}")
    return life.count


def main():
    p = argparse.ArgumentParser(description="Breaks one call after another of a real update.")
    p.add_argument("sweep", choices=SWEEPS)
    p.add_argument("--roles", default=None, help="only these: m the monitor, e the executor, s the steps")
    p.add_argument("--modes", default=None, help="only these, separated by commas")
    p.add_argument("--every", type=int, default=1, help="only each Nth call, from a random one on")
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--points", default=None, help="from-to, instead of all")
    p.add_argument("--jobs", type=int, default=2)
    o = p.parse_args()
    seed = o.seed if o.seed is not None else random.SystemRandom().randrange(10 ** 6)
    choice = random.Random(seed)
    rows = [(r, m) for r, m in SWEEPS[o.sweep] if o.roles in (None, r)
            and (o.modes is None or m in o.modes.split(","))]
    places = [Place() for _ in range(o.jobs)]
    wrong = 0
    print(f"seed {seed}\n{'roles':6} {'mode':12} {'calls':>6} {'points':>6} {'lost':>5} {'seconds':>8}")
    try:
        for roles, mode in rows:
            began = time.monotonic()
            calls = count(places[0], roles, mode)
            if o.points:
                first, last = map(int, o.points.split("-"))
                numbers = range(first, last + 1)
            else:
                numbers = range(1 + choice.randrange(o.every), calls + 50, o.every)
            sweep = Sweep(o.sweep, roles, mode, numbers, places).run()
            wrong += len(sweep.wrong)
            print(f"{roles:6} {mode:12} {calls:6} {sweep.points:6} {len(sweep.wrong):5} "
                  f"{time.monotonic() - began:8.1f}", flush=True)
    finally:
        for place in places:
            place.remove()
    return 1 if wrong else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
