"""The tests' own tools, without moult: a world that could not fail would prove nothing."""

import os
import subprocess

import pytest

import events
from redis_peers import Client, FakeRedis, HonestAnswers
from remotes import GitDaemon, Http, Ssh


def test_a_release_is_committed_tagged_and_cloned(world):
    assert world.head() == world.oids["1.0.0"]
    oid = world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")}, annotated=True)
    assert world.git("rev-parse", "v1.1.0^{commit}", cwd=world.remote) == oid
    assert world.git("cat-file", "-t", "v1.1.0", cwd=world.remote) == "tag"
    world.git("pull", "-q", "--ff-only", "origin", "main")
    assert world.head() == oid
    subprocess.run(["make", "-s", "install"], cwd=world.repo, env=world.env, check=True, stdout=subprocess.DEVNULL)
    assert world.installed == "1.1.0" and world.trace == ["install 1.1.0"]


def test_the_supervisor_restarts_on_42_and_on_nothing_else(world):
    script = f"test -e {world.root}/again && exit 3; touch {world.root}/again; exit 42"
    supervisor = world.start(command=["/bin/sh", "-c", script])
    assert supervisor.wait_pair_code(2) == 3
    world.wait_answer("1.0.0")
    supervisor.stop()
    assert supervisor.daemon_codes == [42, 0] and supervisor.pair_codes == [42, 3]


def test_a_deaf_daemon_stays_and_starts_another_pair_when_told(world):
    supervisor = world.start("deaf", command=["/bin/sh", "-c", "exit 42"])
    assert supervisor.wait_pair_code() == 42
    supervisor.start_pair()
    assert supervisor.wait_pair_code(2) == 42
    assert len(supervisor.daemons) == 1


def test_a_process_left_behind_is_found_and_ended(world):
    world.start(command=["/bin/sh", "-c", "(setsid sleep 600 &) ; echo up; exec sleep 600"])
    world.wait_log("up")
    wrong = world.end()
    assert any("sleep 600" in line for line in wrong)
    assert not [p for p in events.descendants(os.getpid()) if events.name_of(p) == "sleep"]


def test_a_lock_left_behind_is_found(world):
    path = os.path.join(world.repo, ".git", "index.lock")
    open(path, "w").close()
    assert world.litter() == [path]
    os.unlink(path)


def test_a_wait_ends_at_its_deadline(world):
    with pytest.raises(events.Late, match="status deployed"):
        world.wait_status("deployed", seconds=0.2)


def test_a_gate_holds_a_step_until_it_is_opened(world):
    gate = world.gate("g")
    process = subprocess.Popen(["/bin/sh", "-c", gate.shell])
    assert gate.wait() == process.pid
    assert process.poll() is None
    gate.open()
    assert process.wait(10) == 0


def test_the_lying_redis_answers_as_a_healthy_one_when_it_does_not_lie(world):
    fake = world.peer(FakeRedis(world.root, HonestAnswers()))
    client = Client(fake.path)
    assert client.call("MULTI") == "OK"
    assert client.call("SET", "a", "b") == "QUEUED"
    assert client.call("EXEC") == [1]
    client.close()
    assert fake.commands[1] == ["SET", "a", "b"]


@pytest.mark.parametrize("kind", ["git", "http", "https", "ssh"])
def test_each_remote_can_be_fetched_from(world, kind):
    world.release("1.1.0")
    config = []
    if kind == "git":
        remote = GitDaemon(world)
    elif kind == "ssh":
        if Ssh.why_not():
            pytest.skip(Ssh.why_not())
        remote = Ssh(world)
        config = ["-c", f"core.sshCommand=ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -i {remote.key} "
                        f"-o UserKnownHostsFile={remote.known_hosts}"]
    else:
        remote = Http(world, tls=kind == "https")
        config = ["-c", "http.sslCAInfo=" + getattr(remote, "ca_file", "")]
    world.peer(remote)
    world.git(*config, "fetch", "-q", "--tags", remote.url)
    assert world.git("rev-parse", "v1.1.0") == world.oids["1.1.0"]
    assert remote.accepted >= 1
