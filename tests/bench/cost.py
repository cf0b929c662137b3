#!/usr/bin/python3
"""cost.py - what confinement costs: the CPU time of a whole update with all layers on, against the same binaries without.

usage: cost.py [--rounds N] [--story plain|migrations]...

Both sides are started by the same launcher, whose filter takes the layers away on the one side and changes
nothing on the other. A round is one update on each side, in alternating order, of a checkout put back to where it
was. Counted is the CPU time of all processes: of the update, from the announcement to the exit with 42, and of the
pair's start before it, which comes once in the daemon's life. The exit status is 1 when the median ratio of a
story's updates is above the goal. MOULT_TEST_BUILD names the build directory.
"""
import argparse
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
if os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"  # no disk: its waits are none of ours
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "e2e"))

import events  # noqa: E402
import world as worlds  # noqa: E402

GOAL = 1.03
FILES = 200
UPDATE_LIMIT_S = 60
STILL_S = 0.005
STILL_ROUNDS = 4
LAUNCHER = os.path.join(worlds.BUILD, "tests/puppets/old_kernel")
WITHOUT = ["--without", "seccomp", "--without", "landlock"]
SIDES = {"on": ("require", ["--in-name-only", *WITHOUT]), "off": ("degrade", WITHOUT)}
MIGRATION = "def check():\n    return False\n\n\ndef migrate():\n    return True\n"
PR_SET_CHILD_SUBREAPER = 36


class Story:
    """A world in which one update is done again and again."""

    def __init__(self, name):
        self.world = world = worlds.World()
        self.name = name
        for i in range(FILES):
            world.put(f"src/file{i:03d}.txt", f"file {i}\n" * 20)
        world.put("Makefile", f"install:\n\tcp VERSION {world.prefix}/VERSION\n")
        world.release("1.0.0")
        world.clone()
        for i in range(0, FILES, 4):
            world.put(f"src/file{i:03d}.txt", f"file {i}, changed\n" * 20)
        python = {f"00{i}_step.py": MIGRATION for i in (1, 2, 3)} if name == "migrations" else {}
        world.release("1.1.0", python)
        self.confs = {}
        for side, (mode, _) in SIDES.items():
            world.conf = os.path.join(world.root, side + ".conf")
            world.configure("sandbox.mode=" + mode)
            self.confs[side] = world.conf
        world.give(world.repo)
        self.kept = {path: path + ".kept" for path in (world.repo, world.state)}
        for path, kept in self.kept.items():
            self.copy(path, kept)

    @staticmethod
    def copy(path, to):
        shutil.rmtree(to, ignore_errors=True)
        subprocess.run(["cp", "-a", path, to], check=True)

    def update(self, side):
        """One update; the CPU seconds of all its processes: of the start, and from the announcement on."""
        for path, kept in self.kept.items():
            self.copy(kept, path)
        argv = [LAUNCHER, *SIDES[side][1], "--", os.path.join(worlds.BUILD, "moult-monitor"), "-f", self.confs[side]]
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(told)
            os.write(tell, json.dumps(self.measure(argv)).encode())
            os._exit(0)
        os.close(tell)
        with os.fdopen(told) as f:
            answer = json.loads(f.read() or "null")
        os.waitpid(pid, 0)
        if not answer or answer["code"] != 42:
            sys.exit(f"an update failed: {answer}\n" + self.world.text_of_log()[-3000:] + self.world.report()[-3000:])
        return answer["start"], answer["update"]

    @staticmethod
    def used_by(pids):
        """CPU seconds of processes that live."""
        total = 0
        for pid in pids:
            with open(f"/proc/{pid}/schedstat") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def wait_ready(self, process):
        """Until monitor and executor have come to rest; the CPU seconds they have used."""
        deadline = events.Deadline(UPDATE_LIMIT_S)
        before, still = None, 0
        while still < STILL_ROUNDS:
            deadline.check("the pair is ready")
            time.sleep(STILL_S)
            executor = events.find_descendant(process.pid, "moult-executor")
            now = self.used_by([process.pid, executor]) if executor else None
            still = still + 1 if now is not None and now == before else 0
            before = now
        return before

    def measure(self, argv):
        """In a process of its own, the parent of all that outlives its own parent: nothing is counted twice or not."""
        if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError("prctl")
        with open(self.world.log, "ab") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, env=self.world.env, cwd="/")
        start = self.wait_ready(process)
        self.world.announce("1.1.0")
        code = process.wait(UPDATE_LIMIT_S)
        try:
            while True:
                os.wait()
        except ChildProcessError:
            pass
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"code": code, "start": start, "update": used.ru_utime + used.ru_stime - start}

    def end(self):
        self.world.end()
        self.world.remove()


def rounds(story, count):
    """Of each round both sides' CPU seconds, in alternating order; the first round is warming up."""
    pairs = []
    for i in range(count + 1):
        order = ["on", "off"] if i % 2 else ["off", "on"]
        times = {side: story.update(side) for side in order}
        if i > 0:
            pairs.append((times["on"], times["off"]))
    return pairs


def tell(what, pairs):
    ratios = sorted(on / off for on, off in pairs)
    low, middle, high = statistics.quantiles(ratios, n=4)
    on, off = (statistics.median(side) * 1000 for side in zip(*pairs))
    # A busy machine makes times longer, never shorter: the fastest rounds are the least disturbed.
    quiet = [statistics.mean(sorted(side)[:max(1, len(pairs) // 4)]) * 1000 for side in zip(*pairs)]
    print(f"{what}: CPU ms, median: all layers {on:.1f}, none {off:.1f}; ratio by round: median {middle:.3f}, "
          f"half of them {low:.3f} to {high:.3f}, all {ratios[0]:.3f} to {ratios[-1]:.3f}; fastest quarter of each: "
          f"{quiet[0]:.1f}, {quiet[1]:.1f}, ratio {quiet[0] / quiet[1]:.3f}", flush=True)
    return middle


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--story", action="append", choices=["plain", "migrations"])
    options = parser.parse_args()
    worst = 0
    for name in options.story or ["plain", "migrations"]:
        story = Story(name)
        try:
            pairs = rounds(story, options.rounds)
            worst = max(worst, tell(f"{name}, {len(pairs)} rounds", [(on[1], off[1]) for on, off in pairs]))
            tell("  with the start", [(sum(on), sum(off)) for on, off in pairs])
            tell("  the start alone", [(on[0], off[0]) for on, off in pairs])
        finally:
            story.end()
    print(f"load average {os.getloadavg()[0]:.2f}; goal: at most {GOAL}")
    sys.exit(0 if worst <= GOAL else 1)


main()
