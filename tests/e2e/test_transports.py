"""Each transport that moult promises, against a real server on loopback, and what each does when it is refused."""

import os

import pytest

from remotes import GitDaemon, Http, Ssh


def updates(world):
    """From v1.0.0 to v1.1.0 by tag, and on to v1.2.0 by the branch."""
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.start()
    world.update("1.1.0")
    assert world.head() == world.oids["1.1.0"]
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


def test_a_remote_by_path(world):
    updates(world)


def test_a_remote_by_file_url(world):
    world.configure("deploy.remote=file://" + world.remote)
    updates(world)


def test_a_remote_by_git_daemon(world):
    remote = world.peer(GitDaemon(world))
    world.configure("deploy.remote=" + remote.url)
    updates(world)
    assert remote.accepted >= 1


def test_a_remote_by_http(world):
    remote = world.peer(Http(world))
    world.configure("deploy.remote=" + remote.url)
    updates(world)
    assert any("info/refs?service=git-upload-pack" in path for path in remote.requests)


def test_a_remote_by_https_with_its_own_authority(world):
    remote = world.peer(Http(world, tls=True))
    world.configure("deploy.remote=" + remote.url, "deploy.ca_file=" + remote.ca_file)
    updates(world)
    assert remote.requests


def test_https_with_an_unknown_authority_is_refused(world):
    remote = world.peer(Http(world, tls=True))
    world.configure("deploy.remote=" + remote.url)
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="fetch_failed")
    assert "certificate" in status["output"] + status["error"]
    assert remote.requests == []


@pytest.mark.skipif(Ssh.why_not() is not None, reason=str(Ssh.why_not()))
def test_a_remote_by_ssh(world):
    remote = world.peer(Ssh(world))
    world.configure("deploy.remote=" + remote.url, "deploy.ssh_key=" + remote.key,
                    "deploy.ssh_known_hosts=" + remote.known_hosts)
    updates(world)
    assert remote.accepted >= 1


@pytest.mark.skipif(Ssh.why_not() is not None, reason=str(Ssh.why_not()))
def test_ssh_to_an_unknown_host_is_refused_without_a_question(world):
    remote = world.peer(Ssh(world))
    with open(remote.known_hosts, "w"):
        pass
    world.configure("deploy.remote=" + remote.url, "deploy.ssh_key=" + remote.key,
                    "deploy.ssh_known_hosts=" + remote.known_hosts)
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="fetch_failed")
    assert "Host key verification failed" in status["output"]


@pytest.mark.skipif(Ssh.why_not() is not None, reason=str(Ssh.why_not()))
def test_the_users_own_ssh_configuration_is_not_read(world):
    remote = world.peer(Ssh(world))
    os.mkdir(os.path.join(world.home, ".ssh"), 0o700)
    with open(os.path.join(world.home, ".ssh", "config"), "w") as f:
        f.write(f"Host *\n  ProxyCommand touch {world.root}/pwned\n")
    world.configure("deploy.remote=" + remote.url, "deploy.ssh_key=" + remote.key,
                    "deploy.ssh_known_hosts=" + remote.known_hosts)
    updates(world)
    assert not os.path.exists(os.path.join(world.root, "pwned"))


def test_a_remote_that_wants_a_password_is_refused_without_a_question(world):
    def refuse(handler):
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="git"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return False
    remote = world.peer(Http(world, before=refuse))
    world.configure("deploy.remote=" + remote.url)
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="fetch_failed", seconds=15)
    assert status["retry_at"] > status["timestamp"]


def test_a_remote_that_is_away_is_tried_again_later_and_a_retry_by_hand_works(world):
    away = world.remote + ".away"
    world.release("1.1.0")
    os.rename(world.remote, away)
    world.start()
    status = world.fails("1.1.0", reason="fetch_failed")
    assert 0 < status["retry_at"] - status["timestamp"] <= 121
    os.rename(away, world.remote)
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()
    assert world.installed == "1.1.0"


def test_a_connection_refused_is_a_failure_that_changed_nothing(world):
    remote = GitDaemon(world)
    remote.stop()
    world.configure("deploy.remote=" + remote.url)
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="fetch_failed")
    assert "retry_at" in status and world.head() == world.oids["1.0.0"]


def test_a_pack_that_is_cut_off_is_refused_and_the_next_attempt_works(world):
    cut = {"left": 1}

    def before(handler):
        if handler.command != "POST" or not cut["left"]:
            return True
        cut["left"] = 0
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-git-upload-pack-result")
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        handler.wfile.write(b"0008NAK\n")
        handler.close_connection = True
        return False
    remote = world.peer(Http(world, before=before))
    world.configure("deploy.remote=" + remote.url)
    world.release("1.1.0")
    world.start()
    world.fails("1.1.0", reason="fetch_failed")
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()
    assert world.installed == "1.1.0"


@pytest.mark.parametrize("url", ["ext::sh -c true", "--upload-pack=true", "ftp://127.0.0.1/x", "-x", "relative/path",
                                 "ssh://-oProxyCommand=true/x", "fd::3"])
def test_a_remote_of_another_kind_is_refused_by_the_configuration(world, url):
    world.configure("deploy.remote=" + url)
    done = world.run("run", "-f", world.conf)
    assert done.returncode == 78 and "remote" in done.stderr
