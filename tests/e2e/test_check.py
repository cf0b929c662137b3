"""moult check on real parts: what it proves, what it calls wrong and by which exit status, and that it changes nothing."""

import hashlib
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time

import pytest

import events
import world as worlds
from redis_peers import RedisServer
from remotes import GitDaemon, Ssh
from test_signatures import Keys

OLD_KERNEL = os.path.join(worlds.BUILD, "tests/puppets/old_kernel")
LANDLOCK = ["landlock", "landlock-truncate", "landlock-network", "landlock-devices", "landlock-scope"]
LAYERS = ["seccomp", *LANDLOCK]
NOBODY_ELSE = 12345  # a user without an entry


class Checked:
    def __init__(self, done):
        self.status = done.returncode
        self.text = done.stdout + done.stderr
        self.rows = [line.split(None, 2) for line in done.stdout.splitlines()]

    def said(self, verdict, topic, *parts):
        """The texts of rows with that verdict and topic that hold all the parts."""
        return [r[2] for r in self.rows if r[:2] == [verdict, topic] and all(p in r[2] for p in parts)]

    def assert_fails(self, status, topic, *parts):
        assert self.status == status, self.text
        assert self.said("FAILED", topic, *parts), self.text

    def failed(self):
        return [r[1] for r in self.rows if r[0] == "FAILED"]


def check(world, *before, seconds=60, **more):
    return Checked(subprocess.run([*before, world.moult, "check", "-f", world.conf], env={**world.env, **more}, cwd="/",
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=seconds, text=True))


def snapshot(*tops):
    """Every name below the tops, with what it is and holds."""
    seen = {}
    for top in tops:
        for directory, names, files in os.walk(top):
            for path in [directory, *(os.path.join(directory, name) for name in names + files)]:
                st = os.lstat(path)
                data = b""
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        data = f.read()
                # A file that the monitor makes and takes away again may move the time of its own directory.
                when = 0 if path.endswith("/monitor") else st.st_mtime_ns
                seen[path] = (st.st_mode, st.st_uid, st.st_ino, when, hashlib.sha256(data).hexdigest())
    return seen


@pytest.fixture(autouse=True)
def leaves_no_scratch(world, tmp_path_factory):
    """Each check has a TMPDIR of its own, which it must leave empty."""
    scratch = tempfile.mkdtemp(prefix="mc-")
    os.chmod(scratch, 0o1777)
    world.env["TMPDIR"] = scratch
    yield
    left = os.listdir(scratch)
    shutil.rmtree(scratch)
    assert left == []


# ---- all is well

def test_each_layer_is_proved_in_the_steps_and_in_the_monitor(world):
    world.release("1.1.0")
    world.git("fetch", "-q", "--tags")
    found = check(world)
    assert found.status == 0 and not found.failed(), found.text
    for layer in LAYERS:
        assert found.said("ok", "sandbox", f"{layer}: ", "kinds of steps, all refused"), found.text
    for layer in ("seccomp", "landlock"):
        assert found.said("ok", "sandbox", f"{layer}: ", "in the monitor, all refused"), found.text
    assert found.said("ok", "sandbox", "the steps read the checkout and write their places")
    assert found.said("ok", "remote", "branch main", "newest v1.1.0")
    assert found.said("ok", "redis", world.key)
    assert found.said("ok", "git", "git version ")


@pytest.mark.without_redis
def test_the_monitors_port_is_proved_when_redis_is_on_tcp(world):
    redis = world.peer(RedisServer(world.root, tcp=True).start())
    world.configure(f"redis.url=redis://127.0.0.1:{redis.port}")
    found = check(world)
    assert found.status == 0, found.text
    assert found.said("ok", "sandbox", "landlock-network: 1 attempts in the monitor"), found.text


def test_the_monitors_scope_is_proved_when_redis_is_on_a_socket(world):
    found = check(world)
    assert found.said("ok", "sandbox", "landlock-scope: 1 attempts in the monitor"), found.text


@pytest.mark.parametrize("remote", [GitDaemon, Ssh])
def test_a_remote_on_the_network_is_asked_by_the_real_fetch(world, remote):
    served = world.peer(remote(world))
    more = [f"deploy.ssh_key={served.key}", f"deploy.ssh_known_hosts={served.known_hosts}"] if remote is Ssh else []
    world.configure(f"deploy.remote={served.url}", *more)
    found = check(world)
    assert found.status == 0 and found.said("ok", "remote", served.url), found.text
    assert served.accepted >= 1


@pytest.mark.parametrize("settings", [
    ["sandbox.migrate_network=yes"], ["sandbox.install_network=yes", "sandbox.migrate_network=yes"],
    ["sandbox.read_paths=/var /srv"], ["deploy.migrate_command=/bin/true"], ["deploy.fetch=tag"]])
def test_other_configurations_are_proved_too(world, settings):
    world.configure(*settings)
    found = check(world)
    assert found.status == 0 and not found.failed(), found.text


def test_it_changes_nothing(world):
    world.release("1.1.0")
    world.give(world.repo)
    world.drop("{}")
    world.reading.call("SET", world.key, "as it was")
    tops = (world.repo, world.state, world.signals, world.prefix, world.work, world.remote)
    before, keys = snapshot(*tops), sorted(world.reading.call("KEYS", "*"))
    assert check(world).status == 0
    assert snapshot(*tops) == before
    assert world.reading.call("GET", world.key) == "as it was"
    assert sorted(world.reading.call("KEYS", "*")) == keys and world.reading.call("EXISTS", world.stream) == 0


def test_it_makes_no_directory_that_is_not_there_yet(world):
    shutil.rmtree(world.state)
    found = check(world)
    if worlds.IS_ROOT:  # which makes it, and gives it away; another user is asked whether he could
        assert found.status == 0, found.text
    assert not os.path.exists(world.state)


def test_it_works_beside_a_pair_at_work_and_leaves_it_alone(world):
    world.release("1.1.0", {"001_slow.py": world.python_migration("1.1.0/001_slow", body=world.gate("slow").python)})
    supervisor = world.start()
    world.announce("1.1.0")
    world.gates[0].wait()
    monitor = supervisor.monitor
    found = check(world)
    assert found.said("ok", "system", "moult-executor pid ", "at work in this checkout"), found.text
    assert found.said("ok", "sandbox", "seccomp: ", "kinds of steps"), found.text
    assert events.is_alive(monitor) and supervisor.monitor == monitor
    world.gates[0].open()
    supervisor.wait_restart()
    assert world.installed == "1.1.0"
    found = check(world)
    assert found.status == 0 and not found.failed(), found.text


# ---- each class of failure

def test_a_wrong_configuration_ends_with_78(world):
    with open(world.conf, "a") as f:
        f.write("[nonsense]\na = b\n")
    check(world).assert_fails(78, "configuration", "nonsense")


@pytest.mark.root
def test_a_checkout_of_root_without_a_deploy_user_ends_with_78(world):
    os.chown(world.repo, 0, 0)
    check(world).assert_fails(78, "configuration", "[deploy] deploy_user", "belongs to root")


def test_a_user_who_does_not_exist_ends_with_78(world):
    world.configure("deploy.deploy_user=no-such-user-here")
    found = check(world)
    assert found.status == 78 and "deploy_user" in found.text, found.text


def test_a_missing_program_ends_with_69(world):
    world.configure("deploy.install_command=no-such-program --now")
    check(world).assert_fails(69, "install", "[deploy] install_command", "no-such-program")


@pytest.mark.parametrize("missing", ["moult-executor", "moult-monitor"])
def test_a_half_installed_moult_ends_with_69(world, missing):
    here = os.path.join(world.root, "bin")
    os.mkdir(here)
    for name in {"moult", "moult-monitor", "moult-executor"} - {missing}:
        shutil.copy(os.path.join(worlds.BUILD, name), here)
    world.bin = here
    if not os.path.exists("/usr/local/libexec/moult/" + missing):
        check(world).assert_fails(69, "programs", missing)


def test_a_missing_write_path_ends_with_77(world):
    world.configure(f"sandbox.write_paths={world.root}/nowhere")
    check(world).assert_fails(77, "places", "[sandbox] write_paths", f"{world.root}/nowhere")


@pytest.mark.root
def test_a_write_path_that_the_steps_may_not_write_ends_with_77(world):
    os.chown(world.prefix, 0, 0)
    check(world).assert_fails(77, "places", "[sandbox] write_paths", world.prefix, worlds.DEPLOY.pw_name)


@pytest.mark.root
def test_a_signal_directory_that_the_executor_may_not_write_ends_with_77(world):
    os.chown(world.signals, 0, 0)
    check(world).assert_fails(77, "signal", "[deploy] signal", world.signals, worlds.DEPLOY.pw_name)


@pytest.mark.root
def test_a_signal_directory_that_the_monitor_may_not_read_ends_with_77(world):
    os.chmod(world.signals, 0o700)
    found = check(world)
    assert found.status == 77 and worlds.MONITOR.pw_name in found.text and world.signals in found.text, found.text


@pytest.mark.root
@pytest.mark.parametrize("where, key", [("repo/.git", "repo"), ("state", "state_dir")])
def test_a_place_of_another_user_ends_with_77(world, where, key):
    os.chown(os.path.join(world.root, where), NOBODY_ELSE, NOBODY_ELSE)
    found = check(world)
    assert found.status == 77 and f"[deploy] {key}" in found.text and str(NOBODY_ELSE) in found.text, found.text


@pytest.mark.root
def test_a_status_directory_of_another_user_ends_with_77(world):
    os.mkdir(os.path.join(world.state, "monitor"))
    world.give(world.state)
    found = check(world)
    found.assert_fails(77, "state", "[deploy] state_dir", worlds.MONITOR.pw_name)


def test_a_remote_that_is_away_ends_with_68(world):
    shutil.rmtree(world.remote)
    check(world).assert_fails(68, "remote", "[deploy] remote", world.remote)


def test_a_host_where_nobody_listens_ends_with_68(world):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world.configure(f"deploy.remote=git://127.0.0.1:{port}/remote.git")
    check(world).assert_fails(68, "remote", "[deploy] remote", str(port))


def test_a_silent_remote_ends_with_68_within_its_limit(world):
    remote = world.peer(GitDaemon(world))
    remote.hold()
    world.configure(f"deploy.remote={remote.url}", "limits.fetch_s=2")
    began = time.monotonic()
    check(world).assert_fails(68, "remote", remote.url, "past 2 s")
    assert time.monotonic() - began < 20


def test_a_remote_with_neither_tag_nor_branch_ends_with_68(world):
    world.git("update-ref", "-d", "refs/tags/v1.0.0", cwd=world.remote)
    assert check(world).said("warning", "remote", "no tag v*", world.remote)
    world.configure("deploy.branch=elsewhere")
    check(world).assert_fails(68, "remote", world.remote, "elsewhere")


def test_a_remote_without_the_branch_is_a_warning(world):
    world.configure("deploy.branch=elsewhere")
    found = check(world)
    assert found.status == 0 and found.said("warning", "remote", "[deploy] branch", "elsewhere"), found.text


# ---- signatures

@pytest.fixture
def keys(world):
    made = Keys(world)
    world.configure("verify.mode=tag", f"verify.allowed_signers={made.signers}")
    return made


def newest(world, keys, signer, kind="-s"):
    oid = world.release("1.1.0", tag=False)
    keys.tag("1.1.0", signer, oid, kind)
    world.git("fetch", "-q", "--tags")


def test_the_newest_tag_is_verified_and_its_key_told(world, keys):
    newest(world, keys, keys.ssh("alice"))
    found = check(world)
    assert found.status == 0, found.text
    assert found.said("ok", "verify", "v1.1.0", keys.ssh_fingerprint("alice")), found.text


def test_an_openpgp_signature_is_verified_too(world, keys):
    signer = keys.openpgp("carol")
    newest(world, keys, signer)
    world.configure(f"verify.openpgp_keys={keys.keyring}")
    found = check(world)
    assert found.status == 0 and found.said("ok", "verify", keys.openpgp_fingerprint("carol")), found.text


def test_an_unsigned_newest_tag_ends_with_65(world, keys):
    newest(world, keys, [], kind="-a")
    check(world).assert_fails(65, "verify", "v1.1.0", "not signed")


def test_a_tag_by_a_key_that_may_not_sign_ends_with_65(world, keys):
    keys.ssh("alice")
    newest(world, keys, keys.ssh("mallory", listed=False))
    check(world).assert_fails(65, "verify", "v1.1.0", "allowed_signers", keys.ssh_fingerprint("mallory"))


def test_a_commit_is_verified_where_commits_are_asked_for(world, keys):
    world.configure("verify.mode=commit")
    keys.commit("1.1.0", keys.ssh("alice"))
    world.git("fetch", "-q", "--tags")
    assert check(world).said("ok", "verify", "v1.1.0", keys.ssh_fingerprint("alice"))
    world.git("tag", "-d", "v1.0.0", "v1.1.0")
    check(world).assert_fails(65, "verify", "HEAD", "not signed")


def test_no_tag_to_verify_is_a_warning(world, keys):
    world.git("tag", "-d", "v1.0.0")
    found = check(world)
    assert found.status == 0 and found.said("warning", "verify", "no tag v*"), found.text


def test_the_secrets_are_kept_from_the_steps_wherever_they_stand(world, keys):
    newest(world, keys, keys.ssh("alice"))
    world.configure(f"sandbox.read_paths={keys.dir}")
    found = check(world)
    assert found.status == 0 and not found.failed(), found.text


# ---- Redis

def test_a_redis_that_is_down_ends_with_74_and_says_that_updates_go_on(world):
    world.redis.stop()
    check(world).assert_fails(74, "redis", "[redis] url", "updates go on without it")


def test_a_read_only_redis_ends_with_74(world):
    world.reading.call("REPLICAOF", "127.0.0.1", "1")
    check(world).assert_fails(74, "redis", "SET", "READONLY")


def test_a_full_redis_ends_with_74(world):
    world.reading.call("CONFIG", "SET", "maxmemory", "1")
    check(world).assert_fails(74, "redis", "OOM")


@pytest.mark.without_redis
@pytest.mark.parametrize("rules, status, words", [
    ("+@all -set ~* &*", 74, ["SET", "NOPERM"]),
    ("+@all ~other &*", 74, ["SET", "NOPERM"]),
    ("+@all -xadd ~* &*", 0, ["XADD", "NOPERM", "only the key"]),
    ("+@all ~* resetchannels &other", 0, ["PUBLISH", "NOPERM", "only the key"]),
    ("+@all ~* &*", 0, ["would take"])])
def test_what_the_redis_user_may_not_do_is_found(world, rules, status, words):
    redis = world.peer(RedisServer(world.root, "--user", "writer", "on", ">secret", *rules.split(), tcp=True).start())
    password = os.path.join(world.root, "password")
    with open(password, "w") as f:
        f.write("secret\n")
    os.chmod(password, 0o600)
    world.configure(f"redis.url=redis://writer@127.0.0.1:{redis.port}", f"redis.password_file={password}")
    found = check(world)
    assert found.status == status, found.text
    assert any(all(word in row[2] for word in words) for row in found.rows if row[1] == "redis"), found.text


@pytest.mark.without_redis
def test_a_redis_that_wants_a_password_ends_with_74(world):
    redis = world.peer(RedisServer(world.root, "--requirepass", "secret"))
    redis._ready = lambda: True
    redis.start()
    world.configure(f"redis.url=unix://{redis.path}")
    check(world).assert_fails(74, "redis", "NOAUTH")


@pytest.mark.without_redis
def test_a_password_file_that_others_may_read_ends_with_77(world):
    redis = world.peer(RedisServer(world.root).start())
    password = os.path.join(world.root, "password")
    with open(password, "w") as f:
        f.write("secret\n")
    os.chmod(password, 0o644)
    world.configure(f"redis.url=unix://{redis.path}", f"redis.password_file={password}")
    found = check(world)
    assert found.status == 77 and password in found.text, found.text


@pytest.mark.without_redis
def test_a_silent_redis_ends_with_74_within_seconds(world):
    path = os.path.join(world.root, "silent.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        os.chmod(path, 0o777)
        server.listen(8)
        world.configure(f"redis.url=unix://{path}")
        began = time.monotonic()
        check(world).assert_fails(74, "redis", path)
        assert time.monotonic() - began < 15


# ---- kernels that lack a layer

@pytest.mark.parametrize("options, missing", [
    (["--without", "seccomp"], ["seccomp"]), (["--without", "landlock"], LANDLOCK),
    (["--landlock-abi", "2"], LANDLOCK[1:]), (["--landlock-abi", "5"], LANDLOCK[4:])])
def test_a_kernel_that_lacks_a_layer_ends_with_71_and_degraded_with_warnings(world, options, missing):
    found = check(world, OLD_KERNEL, *options, "--")
    assert found.status == 71, found.text
    for layer in missing:
        assert found.said("FAILED", "sandbox", f"{layer} is missing"), found.text
    world.configure("sandbox.mode=degrade")
    found = check(world, OLD_KERNEL, *options, "--")
    assert found.status == 0, found.text
    for layer in LAYERS:
        wanted = ("warning", f"{layer} is missing") if layer in missing else ("ok", f"{layer}: ")
        assert found.said(wanted[0], "sandbox", wanted[1]), (layer, found.text)


def liar(world, name, script):
    """The real command beside something else in the place of a process of the pair."""
    here = os.path.join(world.root, "bin")
    os.mkdir(here)
    for each in ("moult", "moult-monitor", "moult-executor"):
        shutil.copy(os.path.join(worlds.BUILD, each), here)
    with open(os.path.join(here, name), "w") as f:
        f.write("#!/bin/sh\n" + script)
    world.bin = here


@pytest.mark.parametrize("name", ["moult-monitor", "moult-executor"])
@pytest.mark.parametrize("script, words", [
    ("exit 0", "0 verdicts"), ("echo ok sandbox fine; exit 3", "status 3"), ("echo ok sandbox fine; kill -9 $$", "signal 9"),
    ("echo hello", "no verdict: hello"), ("echo ok nothing fine", "no verdict"), ("echo ok sandbox", "no verdict"),
    ("printf 'ok sandbox a\\033[2J\\n'", "no verdict: ok sandbox a\\033[2J"), ("printf 'ok sandbox cut'", "status 0"),
    ("head -c 100000 /dev/zero | tr '\\0' x", "no verdict: xxx"), ("yes ok sandbox fine", "no verdict"),
    ("echo why >&2; exit 71", "why")])
def test_a_process_that_says_anything_else_has_failed(world, name, script, words):
    liar(world, name, script + "\n")
    found = check(world)
    found.assert_fails(71, "system", words)
    assert "\x1b" not in found.text


# ---- what is only warned of

def test_files_edited_by_hand_are_named(world):
    for i in range(12):
        world.put(f"edited/{i:02}", "x\n")
    oid = world.release("1.0.1")
    world.git("pull", "-q", "origin", "main")
    for i in range(12):
        with open(f"{world.repo}/edited/{i:02}", "a") as f:
            f.write("by hand\n")
    assert world.head() == oid
    found = check(world)
    assert found.status == 0, found.text
    (text,) = found.said("warning", "checkout", "12 tracked files were edited by hand")
    assert "edited/00" in text and "edited/09" in text and "edited/10" not in text and text.endswith("...")


def test_a_write_path_that_holds_the_scratch_directory_is_warned_of(world):
    world.configure(f"sandbox.write_paths={world.prefix} {world.env['TMPDIR']}")
    found = check(world)
    assert found.status == 0 and found.said("warning", "sandbox", world.env["TMPDIR"], "another TMPDIR"), found.text
    assert found.said("ok", "sandbox", "landlock: "), "the other steps are tried all the same"


# ---- itself

@pytest.mark.parametrize("words", [["--check"], ["--check", "-f", "x", "-g", "1:1"], ["-f", "x"]])
def test_the_executor_takes_check_alone(world, words):
    done = subprocess.run([os.path.join(world.bin, "moult-executor"), *words], capture_output=True, text=True, timeout=10)
    assert done.returncode == 64 and "usage" in done.stderr


def test_the_first_failing_class_decides(world):
    world.redis.stop()
    shutil.rmtree(world.remote)
    found = check(world)
    assert found.status == 68 and {"redis", "remote"} <= set(found.failed()), found.text
    world.configure("deploy.install_command=no-such-program")
    assert check(world).status == 69


@pytest.mark.skipif(not worlds.IS_ROOT, reason="an ordinary user has one user for both")
def test_redis_is_asked_as_the_monitors_user(world):
    os.chmod(world.redis.path, 0o700)
    done = world.run("check", "-f", world.conf)
    assert done.returncode == 74 and "Permission denied" in done.stdout
