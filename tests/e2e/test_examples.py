"""The example daemons, each updating itself under the smallest supervisor: what a user would copy works."""

import os
import signal
import subprocess

import pytest

import events
from world import BUILD, TOP

EXAMPLES = os.path.join(TOP, "tests", "examples")


class Example:
    """An example's own project in the world's remote, installed once by hand, run by supervisor.sh."""

    def __init__(self, world, language):
        self.world = world
        self.language = language
        source = os.path.join(EXAMPLES, language)
        world.tree.clear()
        for name in os.listdir(source):
            with open(os.path.join(source, name)) as f:
                world.put(name, f.read())
        world.release("1.0.1")
        world.git("pull", "-q", "--ff-only", "origin", "main")
        with open(os.path.join(world.repo, "config.mk"), "w") as f:
            f.write(f"PREFIX = {world.prefix}\nCPPFLAGS = -I{TOP}/include\nLDLIBS = {BUILD}/libmoult.a\n")
        subprocess.run(["make", "-s", "install"], cwd=world.repo, env=world.env, check=True)
        self.log = open(world.log, "ab")
        program = os.path.join(world.prefix, "bin", "example-daemon")
        updater = os.path.join(BUILD, "moult" if language == "python" else "moult-monitor")
        self.process = subprocess.Popen(
            ["/bin/sh", os.path.join(EXAMPLES, "supervisor.sh"), "5", program, "-f", world.conf, "-m", updater,
             world.address], env=world.env, cwd="/", stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.code = self.process.wait(25)
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()


@pytest.fixture(params=["python", "c"])
def example(world, request):
    made = Example(world, request.param)
    world.wait_answer("1.0.1")
    yield made
    made.stop()
    assert made.code == 0


def test_the_example_updates_itself(world, example):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.announce("1.1.0", current="1.0.1")
    world.wait_status("deployed", version="1.1.0")
    world.wait_answer("1.1.0")
    assert world.trace == ["migrate 1.1.0/001_first"]


def test_the_example_keeps_answering_when_an_update_fails(world, example):
    world.release("1.1.0", {"001_bad.py": world.python_migration("1.1.0/001_bad", body="return False")})
    world.announce("1.1.0", current="1.0.1")
    world.wait_status("update_failed", reason="migration_failed")
    assert world.ask() == "1.0.1" and world.signal_is_there()


def test_the_example_outlives_its_monitor(world, example):
    world.release("1.1.0")
    monitor = events.wait_until(lambda: events.find_descendant(example.process.pid, "moult-monitor"),
                                [], "the monitor runs")
    events.end(monitor)
    events.wait_gone(monitor)
    assert world.ask() == "1.0.1"
    world.announce("1.1.0", current="1.0.1")
    world.wait_answer("1.1.0")
