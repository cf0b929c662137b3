"""Signed versions: by real ssh-keygen and gpg, good and bad in every way; and what a refusal must leave untouched."""

import os
import subprocess

import pytest

SSH, OPENPGP = "allowed_signers", "openpgp_keys"
NAME = "Release <release@example.invalid>"
LONG_AGO = "20200101T120000"


class Keys:
    """ssh keys and an OpenPGP keyring of the test, and the two files that name who may sign."""

    def __init__(self, world):
        self.world = world
        self.dir = os.path.join(world.root, "keys")
        self.gnupg = os.path.join(self.dir, "gnupg")
        os.makedirs(self.gnupg, 0o700)
        os.chmod(self.dir, 0o755)
        self.env = {**world.env, "GNUPGHOME": self.gnupg}
        self.signers = self.file("signers", "")
        self.keyring = self.file("keys.asc", "")

    def file(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def call(self, *argv, data=None):
        done = subprocess.run(argv, env=self.env, cwd=self.dir, input=data, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    # ---- ssh

    def ssh(self, name, listed=True, options=""):
        """A new ssh key; listed: it may sign, under these options of ssh-keygen(1)'s ALLOWED SIGNERS."""
        path = os.path.join(self.dir, name)
        self.call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path)
        if listed:
            with open(path + ".pub") as public, open(self.signers, "a") as f:
                f.write(f"{name}@example.invalid {options} {public.read()}")
        return ["-c", "gpg.format=ssh", "-c", f"user.signingkey={path}"]

    def ssh_fingerprint(self, name):
        return self.call("ssh-keygen", "-l", "-f", os.path.join(self.dir, name)).split()[1]

    # ---- OpenPGP

    def gpg(self, *args, **more):
        """gpg, and an end to the agent it has started."""
        try:
            return self.call("gpg", "--batch", "--quiet", "--no-tty", *args, **more)
        finally:
            self.call("gpgconf", "--kill", "all")

    def openpgp(self, name, listed=True, expires="never", clock=None):
        """A new OpenPGP key; clock: the time that gpg believes it is, also when it signs."""
        program = self.file(name + ".sh", "#!/bin/sh\nexec gpg --batch --quiet " +
                            (f"--faked-system-time {clock} " if clock else "") + '"$@"\n', 0o755)
        believed = ["--faked-system-time", clock] if clock else []
        self.gpg(*believed, "--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.invalid>", "ed25519",
                 "sign", expires)
        if listed:
            self.list_openpgp()
        return ["-c", "gpg.format=openpgp", "-c", f"gpg.program={program}",
                "-c", f"user.signingkey={name}@example.invalid"]

    def list_openpgp(self):
        """All keys that exist by now may sign."""
        self.file("keys.asc", self.gpg("--armor", "--export"))

    def openpgp_fingerprint(self, name):
        rows = self.gpg("--with-colons", "--list-keys", f"{name}@example.invalid").splitlines()
        return next(row.split(":")[9] for row in rows if row.startswith("fpr:"))

    # ---- what is signed

    def git(self, *args, data=None):
        """git in the remote, which the one who signs has made."""
        who, mail = NAME[:-1].split(" <")
        try:
            done = subprocess.run(["git", "-c", f"user.name={who}", "-c", f"user.email={mail}", *args], env=self.env,
                                  cwd=self.world.remote, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=60)
        finally:
            self.call("gpgconf", "--kill", "all")
        assert done.returncode == 0, f"git {args}: {done.stderr.decode()}"
        return done.stdout.decode().rstrip("\n")

    def tag(self, version, signer, oid, kind="-s"):
        """A tag in the remote; "-a" leaves it unsigned. Returns the tag object's id."""
        self.git(*signer, "tag", "-f", kind, "-m", f"version {version}", f"v{version}", oid)
        return self.git("rev-parse", f"refs/tags/v{version}")

    def rewrite_tag(self, version, change):
        """Puts a tag object in the place of v{version}'s, made of its bytes by change."""
        data = self.git("cat-file", "tag", f"v{version}") + "\n"
        oid = self.git("hash-object", "-t", "tag", "-w", "--stdin", data=change(data).encode())
        self.git("update-ref", f"refs/tags/v{version}", oid)
        return oid

    def commit(self, version, signer, change=None):
        """A release whose commit is signed (signer None: is not), on main and under its tag."""
        parent = self.world.tips["main"]
        tree = self.git("rev-parse", self.world.release(version, tag=False) + "^{tree}")
        signing = [*(signer or []), "commit-tree", *(["-S"] if signer else [])]
        oid = self.git(*signing, "-p", parent, "-m", f"release {version}", tree)
        if change:
            data = self.git("cat-file", "commit", oid) + "\n"
            oid = self.git("hash-object", "-t", "commit", "-w", "--stdin", data=change(data).encode())
        self.git("update-ref", "refs/heads/main", oid)
        self.git("update-ref", f"refs/tags/v{version}", oid)
        self.world.oids[version] = self.world.tips["main"] = oid
        return oid


@pytest.fixture
def keys(world):
    return Keys(world)


def start(world, keys, mode="tag", files=(SSH, OPENPGP)):
    """A daemon that asks for signatures by the keys of the files."""
    paths = {SSH: keys.signers, OPENPGP: keys.keyring}
    world.configure(f"verify.mode={mode}", *(f"verify.{key}={paths[key]}" for key in files))
    return world.start()


def refused(world, version, reason, *words, channel="stable"):
    """A refusal before one byte of the version has reached the checkout."""
    head, files = world.head(), listing(world)
    status = world.fails(version, reason=reason, channel=channel)
    for word in words:
        assert word in status["error"], status["error"]
    assert world.head() == head == world.oids["1.0.0"] and world.trace == [] and world.installed == "1.0.0"
    assert listing(world) == files and world.git("status", "--porcelain") == ""
    assert "key" not in status and "key" not in world.history()[-1]
    assert not pinned(world, version), "what was not verified must not become the version"
    return status


def listing(world):
    """Every file of the working tree with its content's time."""
    found = {}
    for directory, names, files in os.walk(world.repo):
        if ".git" in names:
            names.remove(".git")
        for name in files:
            st = os.lstat(os.path.join(directory, name))
            found[os.path.join(directory, name)] = (st.st_ino, st.st_mtime_ns, st.st_size, st.st_mode)
    return found


def pinned(world, version):
    with open(os.path.join(world.state, "journal")) as f:
        return any(line.split()[2:4] == ["pin", version] for line in f)


def assert_deployed(world, status, version, key):
    assert world.head() == world.oids[version] == status["commit"] and status["key"] == key
    assert [line["key"] for line in world.history() if line["result"] == "deployed"] == [key]
    assert pinned(world, version) and key in world.text_of_log()


# ---- mode = tag

def test_a_version_with_an_ssh_signature_is_installed_and_its_key_is_told(world, keys):
    signer = keys.ssh("rel")
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))
    start(world, keys, files=[SSH])
    status = world.update("1.1.0")
    assert_deployed(world, status, "1.1.0", keys.ssh_fingerprint("rel"))
    assert 'signer="rel@example.invalid"' in world.text_of_log()


def test_a_version_with_an_openpgp_signature_is_installed_and_its_key_is_told(world, keys):
    signer = keys.openpgp("rel")
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))
    start(world, keys, files=[OPENPGP])
    status = world.update("1.1.0")
    assert_deployed(world, status, "1.1.0", keys.openpgp_fingerprint("rel"))


def test_both_kinds_of_keys_may_sign_one_version_after_the_other(world, keys):
    ssh, openpgp = keys.ssh("rel"), keys.openpgp("pgp")
    keys.tag("1.1.0", openpgp, world.release("1.1.0", tag=False))
    keys.tag("1.2.0", ssh, world.release("1.2.0", tag=False))
    start(world, keys)
    assert world.update("1.1.0")["key"] == keys.openpgp_fingerprint("pgp")
    assert world.update("1.2.0", current="1.1.0")["key"] == keys.ssh_fingerprint("rel")
    assert world.head() == world.oids["1.2.0"]


def lightweight(world, keys):
    world.release("1.1.0")


def annotated(world, keys):
    world.release("1.1.0", annotated=True)


def by_unlisted_ssh_key(world, keys):
    keys.tag("1.1.0", keys.ssh("other", listed=False), world.release("1.1.0", tag=False))


def by_unlisted_openpgp_key(world, keys):
    keys.tag("1.1.0", keys.openpgp("other", listed=False), world.release("1.1.0", tag=False))


def for_another_namespace(world, keys):
    signer = keys.ssh("files", options='namespaces="file"')
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))


def by_expired_ssh_key(world, keys):
    signer = keys.ssh("old", options='valid-before="20200101"')
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))


def by_expired_openpgp_key(world, keys):
    signer = keys.openpgp("old", expires="1d", clock=LONG_AGO)
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))


def by_revoked_openpgp_key(world, keys):
    signer = keys.openpgp("lost")
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))
    path = os.path.join(keys.gnupg, "openpgp-revocs.d", keys.openpgp_fingerprint("lost") + ".rev")
    with open(path) as f:
        keys.gpg("--import", data=f.read().replace(":-----BEGIN", "-----BEGIN"))
    keys.list_openpgp()


def tampered_ssh(world, keys):
    keys.tag("1.1.0", keys.ssh("rel"), world.release("1.1.0", tag=False))
    keys.rewrite_tag("1.1.0", lambda text: text.replace("version 1.1.0", "version 1.1.0, with something more"))


def tampered_openpgp(world, keys):
    keys.tag("1.1.0", keys.openpgp("rel"), world.release("1.1.0", tag=False))
    keys.rewrite_tag("1.1.0", lambda text: text.replace("version 1.1.0", "version 1.1.0, with something more"))


def of_another_commit(world, keys):
    """The signature of v1.0.0's commit on a tag of 1.1.0's."""
    keys.tag("1.1.0", keys.ssh("rel"), world.oids["1.0.0"])
    oid = world.release("1.1.0", tag=False)
    keys.rewrite_tag("1.1.0", lambda text: text.replace(world.oids["1.0.0"], oid))


def of_another_version(world, keys):
    """A good tag of 1.0.0 under the new version's name."""
    tag = keys.tag("1.0.0", keys.ssh("rel"), world.oids["1.0.0"])
    world.release("1.1.0", tag=False)
    keys.git("update-ref", "refs/tags/v1.1.0", tag)


def of_another_tag(world, keys):
    signer = keys.ssh("rel")
    inner = keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))
    keys.tag("1.1.0", signer, inner)


def x509(world, keys):
    world.release("1.1.0", annotated=True)
    keys.rewrite_tag("1.1.0", lambda text: text + "-----BEGIN SIGNED MESSAGE-----\nMIIB\n-----END SIGNED MESSAGE-----\n")


def damaged(world, keys):
    world.release("1.1.0", annotated=True)
    keys.rewrite_tag("1.1.0", lambda text: text + "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")


REFUSED = [
    (lightweight, "signature_missing", "lightweight tag"),
    (annotated, "signature_missing", "is not signed"),
    (by_unlisted_ssh_key, "signature_bad", "not among allowed_signers (key SHA256:"),
    (by_unlisted_openpgp_key, "signature_bad", "not among openpgp_keys (key "),
    (for_another_namespace, "signature_bad", "may not sign for git"),
    (by_expired_ssh_key, "signature_bad", "had expired"),
    (by_expired_openpgp_key, "signature_bad", "the key has expired"),
    (by_revoked_openpgp_key, "signature_bad", "the key is revoked"),
    (tampered_ssh, "signature_bad", "does not fit what is signed"),
    (tampered_openpgp, "signature_bad", "does not fit what is signed"),
    (of_another_commit, "signature_bad", "does not fit what is signed"),
    (of_another_version, "signature_bad", "the tag is v1.0.0, not v1.1.0"),
    (of_another_tag, "signature_bad", "is a tag of tag"),
    (x509, "signature_bad", "neither of ssh nor of OpenPGP"),
    (damaged, "signature_bad", "damaged"),
]


@pytest.mark.parametrize("make, reason, words", REFUSED, ids=[row[0].__name__ for row in REFUSED])
def test_a_tag_that_is_not_well_signed_changes_nothing(world, keys, make, reason, words):
    keys.ssh("somebody")
    keys.openpgp("anybody")
    make(world, keys)
    start(world, keys)
    refused(world, "1.1.0", reason, words)


@pytest.mark.parametrize("kind", [SSH, OPENPGP])
def test_a_kind_of_signature_whose_keys_are_not_configured_is_refused(world, keys, kind):
    signers = {SSH: keys.ssh("rel"), OPENPGP: keys.openpgp("rel")}
    keys.tag("1.1.0", signers[kind], world.release("1.1.0", tag=False))
    start(world, keys, files=[OPENPGP if kind == SSH else SSH])
    refused(world, "1.1.0", "signature_bad", f"[verify] {kind} is not set")


@pytest.mark.parametrize("kind", [SSH, OPENPGP])
def test_a_file_of_keys_that_is_gone_is_told_by_its_name(world, keys, kind):
    signer = keys.ssh("rel") if kind == SSH else keys.openpgp("rel")
    path = keys.signers if kind == SSH else keys.keyring
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))
    start(world, keys, files=[kind])
    world.wait_status("checking")
    os.rename(path, path + ".away")
    refused(world, "1.1.0", "signature_bad", f"[verify] {kind}: {path}: No such file")


def test_a_file_that_holds_no_openpgp_keys_verifies_nothing(world, keys):
    signer = keys.openpgp("rel", listed=False)
    keys.file("keys.asc", "not a key\n")
    keys.tag("1.1.0", signer, world.release("1.1.0", tag=False))
    start(world, keys, files=[OPENPGP])
    refused(world, "1.1.0", "signature_bad", "gpg --import")


def test_a_tag_moved_to_a_well_signed_one_is_an_alarm_with_the_way_on(world, keys):
    signer = keys.ssh("rel")
    world.release("1.1.0", annotated=True)
    forged = keys.git("rev-parse", "v1.1.0")
    start(world, keys)
    refused(world, "1.1.0", "signature_missing", forged)
    right = keys.tag("1.1.0", signer, world.oids["1.1.0"])
    since = world.mark()
    assert world.run("retry", "-f", world.conf).returncode == 0
    status = world.failed(since, reason="tag_moved")
    assert forged in status["error"] and right in status["error"]
    assert f"git -C {world.repo} tag -d v1.1.0" in status["error"]
    world.git("tag", "-d", "v1.1.0")
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()
    assert_deployed(world, world.wait_status("deployed"), "1.1.0", keys.ssh_fingerprint("rel"))


def test_the_head_of_a_branch_has_no_tag_to_verify(world, keys):
    keys.tag("1.1.0", keys.ssh("rel"), world.release("1.1.0", tag=False))
    start(world, keys)
    refused(world, "1.1.0", "signature_missing", "mode = commit", channel="alpha")


# ---- mode = commit

@pytest.mark.parametrize("channel", ["stable", "alpha"])
@pytest.mark.parametrize("kind", [SSH, OPENPGP])
def test_a_signed_commit_is_installed_and_its_key_is_told(world, keys, channel, kind):
    signer = keys.ssh("rel") if kind == SSH else keys.openpgp("rel")
    keys.commit("1.1.0", signer)
    start(world, keys, mode="commit")
    status = world.update("1.1.0", channel=channel)
    assert world.head() == world.oids["1.1.0"] == status["commit"]
    assert status["key"] == (keys.ssh_fingerprint("rel") if kind == SSH else keys.openpgp_fingerprint("rel"))
    assert world.history()[-1]["key"] == status["key"]


@pytest.mark.parametrize("channel", ["stable", "alpha"])
def test_an_unsigned_commit_is_refused_however_its_tag_is_signed(world, keys, channel):
    signer = keys.ssh("rel")
    oid = keys.commit("1.1.0", None)
    keys.tag("1.1.0", signer, oid)
    start(world, keys, mode="commit")
    refused(world, "1.1.0", "signature_missing", f"commit {oid} is not signed", channel=channel)


@pytest.mark.parametrize("channel", ["stable", "alpha"])
@pytest.mark.parametrize("how", ["unlisted", "tampered", "unreadable"])
def test_a_badly_signed_commit_is_refused(world, keys, channel, how):
    keys.ssh("somebody")
    signer = keys.ssh("rel", listed=how != "unlisted")
    change = {"unlisted": None, "tampered": lambda text: text.replace("release 1.1.0", "release 1.1.0 and more"),
              "unreadable": lambda text: text.replace("BEGIN SSH", "BEGIN ODD")}[how]
    keys.commit("1.1.0", signer, change)
    start(world, keys, mode="commit")
    words = {"unlisted": "not among allowed_signers", "tampered": "does not fit", "unreadable": "neither of ssh"}[how]
    refused(world, "1.1.0", "signature_bad", words, channel=channel)


# ---- without a signature too

def test_a_version_that_lies_before_what_is_installed_is_refused(world):
    old = world.oids["1.0.0"]
    new = world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.git("tag", "v1.2.0", old, cwd=world.remote)
    since = world.mark()
    world.announce("1.2.0", current="1.1.0")
    status = world.wait_status("update_failed", since=since, reason="not_newer")
    assert f"v1.2.0 is commit {old}, which lies before what is installed, {new}" in status["error"]
    assert world.head() == new and status.get("held")


def test_a_version_of_the_installed_commit_itself_is_installed(world):
    world.git("tag", "v1.0.1", world.oids["1.0.0"], cwd=world.remote)
    world.start()
    assert world.update("1.0.1")["commit"] == world.oids["1.0.0"]


def edited_while_migrating(world, path):
    gate = world.gate("migration")
    world.release("1.1.0", migrations={"001_wait.py": world.python_migration("1.1.0/001_wait", gate.python)})
    world.start()
    since = world.mark()
    world.announce("1.1.0")
    gate.wait()
    with open(os.path.join(world.repo, path), "a") as f:
        f.write("edited\n")
    gate.open()
    return since


def test_a_tracked_file_edited_while_migrating_stops_the_update_before_install(world):
    since = edited_while_migrating(world, "src/program.txt")
    status = world.failed(since, reason="head_changed", step="install")
    assert "1 tracked file has changed since the checkout: src/program.txt" in status["error"]
    assert not any(line.startswith("install") for line in world.trace) and world.installed == "1.0.0"


def test_a_file_that_git_does_not_know_does_not_stop_the_update(world):
    edited_while_migrating(world, "src/unknown.txt")
    world.supervisors[-1].wait_restart()
    assert world.head() == world.oids["1.1.0"]
