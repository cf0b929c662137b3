"""Two users when started as root, one when not: what each process of a real pair is, and who owns what it leaves."""

import os
import pwd

import pytest

import events
from world import DEPLOY, IS_ROOT, MONITOR

KEPT_BY_ROOT = (1 << 0) | (1 << 1) | (1 << 3) | (1 << 4)  # CAP_CHOWN, DAC_OVERRIDE, FOWNER, FSETID
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def assert_is(pid, user, capabilities=0):
    """All four ids are the user's, there is no way back, and no capability is left but those named."""
    found = status_of(pid)
    assert found["Uid"].split() == [str(user.pw_uid)] * 4, found["Name"]
    assert found["Gid"].split() == [str(user.pw_gid)] * 4, found["Name"]
    assert "0" not in found["Groups"].split() or user.pw_gid == 0, found["Name"]
    assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2", found["Name"]
    if IS_ROOT:
        for name in CAPABILITIES:
            assert int(found[name], 16) & ~capabilities == 0, f"{found['Name']} {name} {found[name]}"


def gated(world):
    migrate, install = world.gate("migrate"), world.gate("install")
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body=migrate.python)},
                  files={"Makefile": world.makefile(before=install.shell)})
    return migrate, install


def owners(*tops):
    return {os.lstat(os.path.join(directory, name)).st_uid
            for top in tops for directory, names, files in os.walk(top) for name in ["", *names, *files]}


def test_neither_half_nor_any_step_has_more_than_its_user(world):
    migrate, install = gated(world)
    supervisor = world.start()
    world.announce("1.1.0")
    for gate in (migrate, install):
        assert_is(gate.wait(), DEPLOY)
        assert_is(supervisor.monitor, MONITOR)
        assert_is(world.executor, DEPLOY)
        gate.open()
    supervisor.wait_restart()
    assert world.installed == "1.1.0"


def test_what_an_update_leaves_belongs_to_its_users(world):
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a")})
    world.start()
    world.update("1.1.0")
    monitors = os.path.dirname(world.status_file)
    assert owners(monitors) == {MONITOR.pw_uid}
    assert owners(world.repo, world.prefix, os.path.join(world.state, "log"), os.path.join(world.state, "git"),
                  os.path.join(world.state, "journal")) == {DEPLOY.pw_uid}
    assert os.stat(world.state).st_uid == DEPLOY.pw_uid


@pytest.mark.root
def test_a_checkout_of_root_is_refused_unless_the_configuration_says_root(world):
    os.lchown(world.repo, 0, 0)
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 78 and "deploy_user" in done.stderr and "root" in done.stderr


@pytest.mark.root
def test_steps_are_root_when_the_configuration_says_so_and_keep_four_capabilities(world):
    migrate, install = gated(world)
    os.rmdir(world.state)
    world.configure("deploy.deploy_user=root")
    supervisor = world.start()
    world.announce("1.1.0")
    for gate in (migrate, install):
        assert_is(gate.wait(), pwd.getpwuid(0), KEPT_BY_ROOT)
        assert_is(world.executor, pwd.getpwuid(0), KEPT_BY_ROOT)
        assert_is(supervisor.monitor, MONITOR)
        gate.open()
    supervisor.wait_restart()
    world.wait_status("deployed", version="1.1.0")
    assert os.stat(world.state).st_uid == 0


@pytest.mark.root
def test_users_of_the_configuration_are_taken(world):
    os.rmdir(world.state)
    world.configure("deploy.deploy_user=www-data", "deploy.monitor_user=games")
    supervisor = world.start()
    world.wait_status("checking")
    executor = events.wait_until(lambda: world.executor, [], "the executor runs")
    assert_is(supervisor.monitor, pwd.getpwnam("games"))
    assert_is(executor, pwd.getpwnam("www-data"))
    world.release("1.1.0")
    world.update("1.1.0")


@pytest.mark.root
def test_one_user_for_both_is_refused(world):
    world.configure("deploy.monitor_user=" + DEPLOY.pw_name)
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 78 and DEPLOY.pw_name in done.stderr


@pytest.mark.root
def test_a_signal_directory_that_the_deploy_user_may_not_write_is_named_at_the_start(world):
    os.chown(world.signals, 0, 0)
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 77 and world.signals in done.stderr and DEPLOY.pw_name in done.stderr


@pytest.mark.skipif(IS_ROOT, reason="root may become anybody")
@pytest.mark.parametrize("key", ["deploy_user", "monitor_user"])
def test_an_ordinary_user_becomes_nobody_else(world, key):
    world.configure(f"deploy.{key}=nobody")
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 77 and key in done.stderr


@pytest.mark.skipif(IS_ROOT, reason="root may become anybody")
def test_an_ordinary_user_may_name_itself(world):
    world.configure("deploy.deploy_user=" + DEPLOY.pw_name, "deploy.monitor_user=" + DEPLOY.pw_name)
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
