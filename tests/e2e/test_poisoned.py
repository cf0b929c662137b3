"""A poisoned repository: nothing planted in the checkout or in the remote runs, or writes where it may not.

One row is one plant. It is tried under moult, where after the update (or its refusal) no trap has gone off
and an outside tree is as it was, byte for byte; and with plain git, where the same trap does go off, so that
the first trial could fail. Where plain git of this version is not taken in, the row says so. A third trial
takes the kernel's Landlock away: then the rows that are marked so go off, and no other.

A trap is a program that leaves a mark in three places: outside of everything that any step may write,
where only the later steps (migrations, install) may write, and where git's own steps may. So it is seen
even where confinement alone would have kept it harmless.
"""

import glob
import os
import shlex
import shutil
import socket
import stat
import subprocess

import pytest

import world as worlds
from events import wait_until
from remotes import Http

pytestmark = pytest.mark.without_redis

ROWS = {}
REFUSES = "git itself is not taken in: "


class Row:
    def __init__(self, plant, plain, due, channel, confined):
        self.plant, self.plain, self.due, self.channel, self.confined = plant, plain, due, channel, confined


def row(name, plain, due="deployed", channel="stable", confined=False):
    """plain: commands of plain git that fall for it, or why none does. due: how the update ends under moult.

    confined: nothing but the step's Landlock domain keeps it from writing outside.
    """
    def add(plant):
        assert name not in ROWS
        ROWS[name] = Row(plant, plain, due, channel, confined)
        return plant
    return add


class Field:
    """The checkout and the remote of a world, and what traps in them could reach."""

    def __init__(self, world):
        self.world = world
        self.gitdir = os.path.join(world.repo, ".git")
        self.outside = world._dir("outside")
        self.marks = [os.path.join(place, "mark") for place in (
            self.outside, world.work, world.prefix, os.path.join(self.gitdir, "logs"),
            os.path.join(self.gitdir, "objects"))]
        self.listeners = []
        self.also = []
        os.makedirs(os.path.join(self.gitdir, "logs"), exist_ok=True)
        # Both where a step may read it: what keeps it from running is that nobody asks for it.
        self.trap = os.path.join(self.gitdir, "trap")
        self.write(self.trap, "#!/bin/sh\n" + "".join(f"echo went off >> {m} 2>/dev/null\n" for m in self.marks)
                   + "exit 0\n", 0o755)
        self.sh = "sh " + self.trap

    def path(self, name):
        return os.path.join(self.gitdir, name)

    @staticmethod
    def write(path, text, mode=0o644):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def config(self, key, value, file=None):
        file = file or self.path("config")
        self.world.git("config", "--file", file, key, value, cwd=os.path.dirname(file))

    def hook(self, name, directory="hooks"):
        return shutil.copy(self.trap, self.write(os.path.join(self.gitdir, directory, name), ""))

    def lead_out(self, name, content=None):
        """What is called name in .git is moved outside, or made there, and a link leads to it."""
        inside = os.path.join(self.gitdir, name) if name else self.gitdir
        there = os.path.join(self.outside, name.replace("/", "-") or "gitdir")
        if content is not None:
            self.write(there, content)
            if os.path.lexists(inside):
                os.unlink(inside)
        else:
            os.rename(inside, there)
        os.symlink(there, inside)
        return there

    def tree(self, *entries):
        """A tree of raw entries (mode, name, id), which git's own commands would not make."""
        raw = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        return self.world.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", cwd=self.world.remote, data=raw)

    def blob(self, text):
        return self.world.git("hash-object", "-w", "--stdin", cwd=self.world.remote, data=text.encode())

    def tag_tree(self, *entries):
        """Tags v1.1.0 a commit in the remote whose tree has these entries beside those of the release."""
        remote = self.world.remote
        rows = [line.split(None, 3) for line in self.world.git("ls-tree", "v1.1.0", cwd=remote).splitlines()]
        rows = sorted([(m.lstrip("0"), n, o) for m, _, o, n in rows] + list(entries),
                      key=lambda e: e[1] + ("/" if e[0] == "40000" else ""))
        who = "T <t@example.invalid> 1700000099 +0000"
        commit = (f"tree {self.tree(*rows)}\nparent {self.world.oids['1.0.0']}\nauthor {who}\ncommitter {who}\n\n"
                  "poisoned\n")
        oid = self.world.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", cwd=remote,
                             data=commit.encode())
        self.world.git("update-ref", "refs/tags/v1.1.0", oid, cwd=remote)
        self.world.git("update-ref", "refs/heads/main", oid, cwd=remote)

    def listener(self):
        """A port that nobody is to connect to."""
        server = socket.create_server(("127.0.0.1", 0))
        server.setblocking(False)
        self.listeners.append(server)
        return server.getsockname()[1]

    # ---- has it gone off

    def seal(self):
        """From here on nothing may change outside."""
        self.world.give(self.outside)
        self.world.give(self.world.repo)
        for directory, _, _ in os.walk(self.outside):
            os.chmod(directory, 0o777)
        self.before = self.snapshot()

    def snapshot(self):
        seen = {}
        for directory, names, files in os.walk(self.outside):
            for path in [directory, *(os.path.join(directory, n) for n in names + files)]:
                st = os.lstat(path)
                content = None
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        content = f.read()
                elif stat.S_ISLNK(st.st_mode):
                    content = os.readlink(path)
                seen[path] = (st.st_ino, st.st_mode, st.st_uid, st.st_nlink, st.st_mtime_ns, content)
        return seen

    def gone_off(self):
        """All that shows that a trap has gone off."""
        found = [m for m in self.marks if os.path.exists(m)]
        after = self.snapshot()
        found += sorted(p for p in {**self.before, **after} if self.before.get(p) != after.get(p))
        for server in self.listeners:
            try:
                server.accept()[0].close()
                found.append("a connection to port %d" % server.getsockname()[1])
            except BlockingIOError:
                pass
        return found + [word for look, word in self.also if look()]

    def close(self):
        for server in self.listeners:
            server.close()


@pytest.fixture
def field(world):
    made = Field(world)
    yield made
    made.close()


def git_as_a_person(world, command):
    """Plain git, as the checkout's owner would type it, without a terminal."""
    words = ["git", *shlex.split(command.format(remote=world.remote))]
    subprocess.run(words, cwd=world.repo, env=world.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60, check=False, start_new_session=True,
                   **world.as_owner(world.repo))


FETCH = ["fetch -q --tags origin"]
CHECKOUT = [*FETCH, "checkout -q v1.1.0"]
MERGE = [*FETCH, "merge -q --ff-only origin/main"]
STATUS = ["status"]


# ---- hooks

@row("a post-checkout hook", CHECKOUT)
def _(f):
    f.hook("post-checkout")


@row("a post-merge hook", MERGE, channel="alpha")
def _(f):
    f.hook("post-merge")


@row("a reference-transaction hook", FETCH)
def _(f):
    f.hook("reference-transaction")


@row("a reference-transaction hook on alpha", MERGE, channel="alpha")
def _(f):
    f.hook("reference-transaction")


@row("a post-index-change hook", CHECKOUT)
def _(f):
    f.hook("post-index-change")


@row("a pre-auto-gc hook, and a store that wants to be collected", ["gc --auto"])
def _(f):
    f.hook("pre-auto-gc")
    f.config("gc.autoPackLimit", "1")
    for text in (b"one", b"two", b"three"):
        oid = f.world.git("hash-object", "-w", "--stdin", data=text)
        f.world.git("pack-objects", "-q", ".git/objects/pack/pack", data=oid.encode() + b"\n")


@row("a hooks directory of another place in core.hooksPath", CHECKOUT)
def _(f):
    f.hook("post-checkout", "elsewhere")
    f.config("core.hooksPath", f.path("elsewhere"))


@row("a hooks directory that is a link into the tree, where the new version brings a hook", CHECKOUT)
def _(f):
    os.symlink("../tools", f.path("hooks"))
    with open(f.trap) as trap:
        f.world.put("tools/post-checkout", trap.read(), "100755")
    f.world.release("1.1.0")


@row("hooks that are directories", REFUSES + "a directory is not run")
def _(f):
    for name in ("post-checkout", "post-merge", "reference-transaction"):
        f.write(os.path.join(f.gitdir, "hooks", name, "run"), "#!/bin/sh\n", 0o755)


@row("hooks of the remote, a directory that is fetched from", REFUSES + "no hook runs where it is fetched from")
def _(f):
    f.world.release("1.1.0")
    for name in ("post-upload-pack", "pre-receive", "update", "post-update", "reference-transaction", "pre-auto-gc"):
        shutil.copy(f.trap, f.write(os.path.join(f.world.remote, "hooks", name), ""))


# ---- settings that name programs

@row("core.fsmonitor", STATUS)
def _(f):
    f.config("core.fsmonitor", f.sh)


@row("core.fsmonitor with an index that was written for it", STATUS)
def _(f):
    f.config("core.fsmonitor", f.trap)
    f.world.git("update-index", "--fsmonitor")
    for mark in f.marks:
        if os.path.exists(mark):
            os.unlink(mark)


@row("core.sshCommand, and an ssh remote", ["fetch -q ssh://127.0.0.1:1/x"], "fetch_failed")
def _(f):
    f.config("core.sshCommand", f.sh)
    f.world.configure("deploy.remote=ssh://127.0.0.1:1/x")


@row("core.gitProxy, and a git remote", ["fetch -q git://127.0.0.1:1/x"], "fetch_failed")
def _(f):
    f.config("core.gitProxy", f.trap)
    f.world.configure("deploy.remote=git://127.0.0.1:1/x")


@row("a pager and an editor", ["commit -q --amend"])
def _(f):
    f.config("core.pager", f.sh)
    f.config("core.editor", f.sh)
    f.config("sequence.editor", f.sh)


@row("an external diff, and a tree that was edited", ["diff"], "tree_dirty")
def _(f):
    f.config("diff.external", f.sh)
    f.write(os.path.join(f.world.repo, "src/program.txt"), "edited\n")


@row("a textconv that the new version's attributes ask for", [*FETCH, "diff v1.0.0 v1.1.0"])
def _(f):
    f.config("diff.x.textconv", f.sh)
    f.world.release("1.1.0", files={".gitattributes": "* diff=x\n"})
    f.write(f.path("info/attributes"), "* diff=x\n")


@row("a merge driver, and a commit of the checkout's own", [*FETCH, "merge -q origin/main"], "diverged", "alpha")
def _(f):
    f.config("merge.x.driver", f.sh)
    f.write(f.path("info/attributes"), "* merge=x\n")
    f.write(os.path.join(f.world.repo, "VERSION"), "1.0.1\n")
    f.world.git("commit", "-q", "-a", "-m", "mine")


@row("a smudge filter that the new version's attributes ask for", CHECKOUT)
def _(f):
    f.config("filter.x.smudge", f.sh)
    f.world.release("1.1.0", files={".gitattributes": "* filter=x\n"})


@row("a filter process by info/attributes", CHECKOUT)
def _(f):
    f.config("filter.x.process", f.sh)
    f.config("filter.x.required", "true")
    f.write(f.path("info/attributes"), "* filter=x\n")


@row("a clean filter by info/attributes, and a touched file", STATUS)
def _(f):
    f.config("filter.x.clean", f.sh)
    f.write(f.path("info/attributes"), "* filter=x\n")
    os.utime(os.path.join(f.world.repo, "src/program.txt"), (1, 1))


@row("a filter by core.attributesFile", CHECKOUT)
def _(f):
    f.config("filter.x.smudge", f.sh)
    f.config("core.attributesFile", f.write(f.path("attributes"), "* filter=x\n"))


def signed_tag(f, kind):
    world = f.world
    world.release("1.1.0")
    text = (f"object {world.oids['1.1.0']}\ntype commit\ntag v1.1.0\ntagger T <t@example.invalid> 1700000002 +0000\n\n"
            f"signed\n-----BEGIN {kind} SIGNATURE-----\n\nAAAA\n-----END {kind} SIGNATURE-----\n")
    oid = world.git("hash-object", "-t", "tag", "-w", "--stdin", cwd=world.remote, data=text.encode())
    world.git("update-ref", "refs/tags/v1.1.0", oid, cwd=world.remote)


@row("gpg.ssh.program, and a tag with an ssh signature", [*FETCH, "verify-tag v1.1.0"], "signature_bad")
def _(f):
    f.config("gpg.format", "ssh")
    f.config("gpg.ssh.program", f.trap)
    f.config("gpg.ssh.allowedSignersFile", f.write(f.path("signers"), "* ssh-ed25519 AAAA\n"))
    signed_tag(f, "SSH")
    verify_tags(f)


@row("gpg.program, and a tag with an OpenPGP signature", [*FETCH, "verify-tag v1.1.0"], "signature_bad")
def _(f):
    f.config("gpg.program", f.trap)
    f.config("gpg.openpgp.program", f.trap)
    signed_tag(f, "PGP")
    verify_tags(f)


@row("merge.verifySignatures and log.showSignature, which make a merge ask gpg.program",
     [*FETCH, "merge -q --ff-only v1.1.0"], channel="alpha")
def _(f):
    signed_tag(f, "PGP")
    for key in ("merge.verifySignatures", "log.showSignature"):
        f.config(key, "true")
    f.config("gpg.program", f.trap)
    world = f.world
    commit = world.git("cat-file", "commit", "v1.1.0^{}", cwd=world.remote)
    commit = commit.replace("\ncommitter", "\ncommitter", 1)
    head, _, body = commit.partition("\n\n")
    head += "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----"
    oid = world.git("hash-object", "-t", "commit", "-w", "--stdin", cwd=world.remote,
                    data=f"{head}\n\n{body}\n".encode())
    world.git("update-ref", "refs/heads/main", oid, cwd=world.remote)
    world.git("update-ref", "refs/tags/v1.1.0", oid, cwd=world.remote)
    world.oids["1.1.0"] = oid


def verify_tags(f):
    """moult asks for signatures, by a key that signed nothing here."""
    key = os.path.join(f.world.root, "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with open(key + ".pub") as file:
        signers = f.write(os.path.join(f.world.root, "signers"), "a@example.invalid " + file.read())
    f.world.configure("verify.mode=tag", "verify.allowed_signers=" + signers)


@row("signers of the clone's own choice in gpg.ssh.allowedSignersFile", [*FETCH, "verify-tag v1.1.0"], "signature_bad")
def _(f):
    world = f.world
    verify_tags(f)
    key = f.path("their-key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with open(key + ".pub") as file:
        f.config("gpg.ssh.allowedSignersFile", f.write(f.path("signers"), "t@example.invalid " + file.read()))
    f.config("gpg.format", "ssh")
    oid = world.release("1.1.0", tag=False)
    world.git("-c", "gpg.format=ssh", "-c", "user.signingKey=" + key, "-c", "user.email=t@example.invalid", "-c",
              "user.name=T", "tag", "-s", "-m", "signed", "v1.1.0", oid, cwd=world.remote)
    f.also.append((lambda: world.git("rev-parse", "HEAD") == oid, "the checkout is at what a foreign key signed"))
    f.also.append((lambda: subprocess.run(
        ["git", "verify-tag", "v1.1.0"], cwd=world.repo, env=world.env, stderr=subprocess.DEVNULL, check=False,
        **world.as_owner(world.repo)).returncode == 0 and not world.supervisors, "plain git takes it for good"))


# ---- settings that name other remotes

@row("url.*.insteadOf that makes the remote a command", FETCH)
def _(f):
    f.config("protocol.ext.allow", "always")
    f.config(f"url.ext::{f.sh} .insteadOf", f.world.remote)


@row("url.*.insteadOf that makes the remote another directory", FETCH)
def _(f):
    other = os.path.join(f.outside, "other.git")
    shutil.copytree(f.world.remote, other)
    f.world.release("1.1.0")
    oid = f.world.oids["1.1.0"]
    f.world.git("init", "-q", "--bare", other, cwd=f.world.root)
    f.config(f"url.{other}.insteadOf", f.world.remote)
    # The other one has no v1.1.0: whoever is led there misses it.
    f.also.append((lambda: subprocess.run(["git", "cat-file", "-e", oid], cwd=f.world.repo, env=f.world.env,
                                          stderr=subprocess.DEVNULL, check=False,
                                          **f.world.as_owner(f.world.repo)).returncode != 0, "fetched elsewhere"))


@row("url.*.pushInsteadOf that makes the remote a command", REFUSES + "it is asked by push alone")
def _(f):
    f.config("protocol.ext.allow", "always")
    f.config(f"url.ext::{f.sh} .pushInsteadOf", f.world.remote)


@row("remote.origin.url that is a command", FETCH)
def _(f):
    f.config("protocol.ext.allow", "always")
    f.config("remote.origin.url", f"ext::{f.sh} ")


@row("remote.*.uploadpack for the remote's own url", ["fetch -q file://{remote}"])
def _(f):
    url = "file://" + f.world.remote
    f.world.configure("deploy.remote=" + url)
    f.config(f"remote.{url}.url", url)
    f.config(f"remote.{url}.uploadpack", f.sh)


@row("remote.*.vcs, a helper for the remote's own url", ["fetch -q file://{remote}"])
def _(f):
    url = "file://" + f.world.remote
    f.world.configure("deploy.remote=" + url)
    f.config("protocol.ext.allow", "always")
    f.config(f"remote.{url}.url", f.sh)
    f.config(f"remote.{url}.vcs", "ext")


@row("uploadpack.packObjectsHook, in the checkout and in the remote",
     REFUSES + "it heeds that hook in the user's own configuration alone")
def _(f):
    f.world.release("1.1.0")
    f.config("uploadpack.packObjectsHook", f.sh)
    f.config("uploadpack.packObjectsHook", f.sh, os.path.join(f.world.remote, "config"))


@row("settings of the remote that name programs", REFUSES + "upload-pack asks for none of them")
def _(f):
    f.world.release("1.1.0")
    config = os.path.join(f.world.remote, "config")
    for key in ("core.fsmonitor", "core.alternateRefsCommand", "core.sshCommand", "core.pager", "core.gitProxy"):
        f.config(key, f.sh, config)
    f.hook("reference-transaction", "elsewhere")
    f.config("core.hooksPath", f.path("elsewhere"), config)


@row("a remote that is itself a partial clone, whose own remote is a command",
     REFUSES + "upload-pack fetches nothing on demand since 2.39.4", "fetch_failed")
def _(f):
    world = f.world
    world.release("1.1.0")
    oid = world.git("rev-parse", "v1.1.0:VERSION", cwd=world.remote)
    packs = os.path.join(world.remote, "objects", "pack")
    shutil.move(packs, os.path.join(world.root, "packs"))
    os.mkdir(packs)
    for pack in glob.glob(os.path.join(world.root, "packs", "*.pack")):
        with open(pack, "rb") as data:
            world.git("unpack-objects", "-q", cwd=world.remote, data=data.read())
    os.unlink(os.path.join(world.remote, "objects", oid[:2], oid[2:]))  # what it would have to fetch itself
    config = os.path.join(f.world.remote, "config")
    f.config("core.repositoryFormatVersion", "1", config)
    f.config("extensions.partialClone", "x", config)
    f.config("remote.x.promisor", "true", config)
    f.config("remote.x.url", f"ext::{f.sh} ", config)
    f.config("remote.x.uploadpack", f.sh, config)
    f.config("protocol.ext.allow", "always", config)


def proxied(f, key):
    remote = f.world.peer(Http(f.world))
    f.world.configure("deploy.remote=" + remote.url)
    f.config("remote.origin.url", remote.url)
    f.config(key.format(url=remote.url), "http://127.0.0.1:%d" % f.listener())


# A fetch that is taken in waits for an answer that never comes.
IMPATIENT = ["-c http.lowSpeedLimit=1000 -c http.lowSpeedTime=1 fetch -q origin"]


@row("http.proxy", IMPATIENT)
def _(f):
    proxied(f, "http.proxy")


@row("http.<url>.proxy for the remote alone", IMPATIENT)
def _(f):
    proxied(f, "http.{url}.proxy")


@row("remote.*.proxy for the remote's own url", IMPATIENT)
def _(f):
    proxied(f, "remote.{url}.proxy")
    f.config("remote.origin.proxy", "http://127.0.0.1:%d" % f.listeners[0].getsockname()[1])


def refuse(handler):
    handler.send_response(401)
    handler.send_header("WWW-Authenticate", 'Basic realm="git"')
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return False


def asked_for_a_password(f):
    remote = f.world.peer(Http(f.world, before=refuse))
    f.world.configure("deploy.remote=" + remote.url)
    f.config("remote.origin.url", remote.url)


@row("credential.helper, and a remote that wants a password", FETCH, "fetch_failed")
def _(f):
    asked_for_a_password(f)
    f.config("credential.helper", "!" + f.sh)


@row("core.askPass, and a remote that wants a password", FETCH, "fetch_failed")
def _(f):
    asked_for_a_password(f)
    f.config("core.askPass", f.trap)


@row("core.alternateRefsCommand, and a store with an alternate", FETCH, "repo_unfit")
def _(f):
    other = os.path.join(f.gitdir, "other.git")
    f.world.git("init", "-q", "--bare", other)
    f.write(f.path("objects/info/alternates"), os.path.join(other, "objects") + "\n")
    f.config("core.alternateRefsCommand", f.sh)


# ---- settings that bring settings

@row("include.path", STATUS)
def _(f):
    f.config("core.fsmonitor", f.sh, f.path("more"))
    f.config("include.path", "more")


@row("includeIf by the directory", STATUS)
def _(f):
    f.config("core.fsmonitor", f.sh, f.path("more"))
    f.config("includeIf.gitdir:/**.path", "more")


@row("config.worktree", STATUS, "repo_unfit")
def _(f):
    f.config("extensions.worktreeConfig", "true")
    f.config("core.repositoryFormatVersion", "1")
    f.config("core.fsmonitor", f.sh, f.path("config.worktree"))


@row("a configuration that is a link to one outside", STATUS, "repo_unfit")
def _(f):
    f.config("core.fsmonitor", f.sh)
    f.lead_out("config")


@row("init.templateDir with hooks in it", REFUSES + "it is asked by init and clone alone")
def _(f):
    f.hook("post-checkout", "template/hooks")
    f.config("init.templateDir", f.path("template"))


@row("core.worktree, another working tree", CHECKOUT, "repo_unfit")
def _(f):
    tree = os.path.join(f.outside, "tree")
    shutil.copytree(f.world.repo, tree, ignore=shutil.ignore_patterns(".git"))
    f.config("core.worktree", tree)


@row("core.sharedRepository, which opens the store to everybody", FETCH)
def _(f):
    f.config("core.sharedRepository", "0666")
    f.also.append((lambda: any(os.lstat(d).st_mode & 0o002 for d, _, _ in os.walk(f.path("objects"))),
                   "a directory of the store is everybody's"))


# ---- what history is taken for

@row("a replacement of the announced commit", CHECKOUT)
def _(f):
    world = f.world
    world.release("1.1.0")
    world.git("fetch", "-q", "--tags", "origin")
    good = world.oids["1.1.0"]
    world.git("checkout", "-q", "v1.1.0")
    f.write(os.path.join(world.repo, "evil"), "evil\n")
    world.git("add", "evil")
    world.git("commit", "-q", "-m", "evil")
    evil = world.git("rev-parse", "HEAD")
    world.git("checkout", "-q", "main")
    world.git("replace", good, evil)
    f.also.append((lambda: os.path.exists(os.path.join(world.repo, "evil")), "the replacement was checked out"))


@row("a graft that makes what diverged look like a fast-forward", [*FETCH, "merge -q --ff-only origin/main"],
     "diverged", "alpha")
def _(f):
    world = f.world
    world.git("commit", "-q", "--allow-empty", "-m", "mine")
    mine = world.git("rev-parse", "HEAD")
    world.release("1.1.0")
    f.write(f.path("info/grafts"), f"{world.oids['1.1.0']} {mine}\n")
    f.also.append((lambda: world.git("rev-parse", "HEAD") != mine, "a commit of the checkout's own was dropped"))


@row("an alternate outside that has false objects", CHECKOUT, "repo_unfit")
def _(f):
    world = f.world
    world.release("1.1.0")
    other = os.path.join(f.outside, "other.git")
    world.git("init", "-q", "--bare", other, cwd=f.outside)
    # A loose object under the id of the new version's tree, with another content.
    evil = world.git("hash-object", "-w", "--stdin", cwd=other, data=b"evil\n")
    oid = world.git("rev-parse", "v1.1.0:VERSION", cwd=world.remote)
    there = os.path.join(other, "objects", oid[:2], oid[2:])
    os.makedirs(os.path.dirname(there), exist_ok=True)
    shutil.copy(os.path.join(other, "objects", evil[:2], evil[2:]), there)
    f.write(f.path("objects/info/alternates"), os.path.join(other, "objects") + "\n")
    version = os.path.join(world.repo, "VERSION")
    f.also.append((lambda: os.path.exists(version) and open(version).read() not in ("1.0.0\n", "1.1.0\n"),
                   "a false object was checked out"))
    f.also.append((lambda: not world.supervisors and not os.path.exists(f.path("objects/" + oid[:2] + "/" + oid[2:]))
                   and world.git("cat-file", "-e", oid, check=False) == "", "the false object is taken for the true one"))


@row("alternates in a circle", REFUSES + "it goes five deep and no further", "repo_unfit")
def _(f):
    other = os.path.join(f.gitdir, "other.git")
    f.world.git("init", "-q", "--bare", other)
    f.write(f.path("objects/info/alternates"), os.path.join(other, "objects") + "\n")
    f.write(os.path.join(other, "objects/info/alternates"), f.path("objects") + "\n")


@row("a partial clone whose promisor is a command", ["cat-file -p " + "1" * 40], "repo_unfit")
def _(f):
    f.config("core.repositoryFormatVersion", "1")
    f.config("extensions.partialClone", "origin")
    f.config("remote.origin.promisor", "true")
    f.config("remote.origin.uploadpack", f.sh)


# ---- submodules

def with_submodule(f, name="x", url="ext::x", **more):
    text = f'[submodule "{name}"]\n\tpath = x\n\turl = {url}\n' + "".join(f"\t{k} = {v}\n" for k, v in more.items())
    f.world.release("1.1.0", files={".gitmodules": text})
    f.tag_tree(("160000", "x", f.world.oids["1.0.0"]))


@row("a submodule whose update is a command in the clone's own configuration",
     [*FETCH, "-c submodule.recurse=false checkout -q v1.1.0", "-c protocol.file.allow=always submodule update --init"],
     "repo_unfit")
def _(f):
    with_submodule(f, url=f.world.remote)
    f.config("submodule.x.update", "!" + f.sh)
    f.config("submodule.recurse", "true")
    f.config("submodule.x.url", f.world.remote)
    f.config("submodule.x.active", "true")


@row("a .gitmodules whose update is a command", REFUSES + "it takes no command from .gitmodules", "fetch_failed")
def _(f):
    with_submodule(f, update="!" + f.sh)


@row("a submodule named like a way out", REFUSES + "such a name is ignored", "fetch_failed")
def _(f):
    with_submodule(f, name="../../outside", url=f.world.remote)


@row("a submodule whose url is an option", REFUSES + "such a url is ignored", "fetch_failed")
def _(f):
    with_submodule(f, url="--upload-pack=" + f.trap)


@row("a submodule with a relative url", REFUSES + "it asks for none by itself", "repo_unfit")
def _(f):
    with_submodule(f, url="./../../outside")


@row("a .gitmodules that is a link", REFUSES + "it does not follow that link", "fetch_failed")
def _(f):
    f.world.put(".gitmodules", f.path("config"), "120000")
    f.world.release("1.1.0")


# ---- trees

@row("a tree with an entry .git", REFUSES + "no such path is checked out", "fetch_failed")
def _(f):
    f.world.release("1.1.0")
    f.tag_tree(("40000", ".git", f.tree(("100755", "trap", f.blob("x")))))


@row("a tree with an entry .GIT", REFUSES + "no such path is checked out", "fetch_failed")
def _(f):
    f.world.release("1.1.0")
    f.tag_tree(("40000", ".GIT", f.tree(("100755", "trap", f.blob("x")))))


@row("a tree with an entry git~1", REFUSES + "no such path is checked out", "fetch_failed")
def _(f):
    f.world.release("1.1.0")
    f.tag_tree(("40000", "git~1", f.tree(("100755", "trap", f.blob("x")))))


@row("a tree with an entry ..", REFUSES + "no such path is checked out", "fetch_failed")
def _(f):
    f.world.release("1.1.0")
    f.tag_tree(("40000", "..", f.tree(("40000", "outside", f.tree(("100644", "x", f.blob("x")))))))


@row("a tree with a slash in a name", REFUSES + "no such path is checked out", "fetch_failed")
def _(f):
    f.world.release("1.1.0")
    f.tag_tree(("100644", "../outside/x", f.blob("x")))


@row("a tree with a link and a directory of one name", REFUSES + "the link is not followed", "fetch_failed")
def _(f):
    f.world.release("1.1.0")
    f.tag_tree(("120000", "a", f.blob(".git/hooks")), ("40000", "a", f.tree(("100755", "post-checkout", f.blob("x")))))


@row("a version with a link, and the next with a directory in its place", REFUSES + "the link goes before the file comes")
def _(f):
    f.world.put("a", f.outside, "120000")
    f.world.release("1.0.1")
    f.world.git("pull", "-q", "--ff-only", "origin", "main")
    f.world.put("a", None)
    f.world.put("a/file", "x\n")
    f.world.release("1.1.0")


@row("a directory of the working tree that is a link to one outside", REFUSES + "the link goes before the file comes",
     "tree_dirty")
def _(f):
    source = os.path.join(f.world.repo, "src")
    os.rename(source, os.path.join(f.outside, "src"))
    os.symlink(os.path.join(f.outside, "src"), source)
    f.world.release("1.1.0", files={"src/program.txt": "new\n"})


# ---- names

@row("a tag named like an option", REFUSES + "a name is no argument")
def _(f):
    for name in ("--upload-pack=" + f.trap, "-x", "--output=" + f.outside + "/x"):
        # not by a command, which would refuse the name
        f.write(os.path.join(f.world.remote, "refs/tags", name.replace("/", "_")), f.world.oids["1.0.0"] + "\n")


@row("branches named like the tag and like HEAD", REFUSES + "a full name is not ambiguous")
def _(f):
    for name in ("refs/heads/refs/tags/v1.1.0", "refs/heads/v1.1.0", "refs/heads/HEAD", "refs/v1.1.0"):
        f.world.git("update-ref", name, f.world.oids["1.0.0"])
    f.write(f.path("v1.1.0"), f.world.oids["1.0.0"] + "\n")


# ---- .git and its parts that are somewhere else

@row(".git as a file that names a directory outside", FETCH, "refused")
def _(f):
    there = os.path.join(f.outside, "gitdir")
    os.rename(f.gitdir, there)
    f.write(f.gitdir, f"gitdir: {there}\n")


@row(".git as a link to a directory outside", FETCH, "refused")
def _(f):
    f.lead_out("")


@row("a commondir file that names a directory outside", FETCH, "repo_unfit")
def _(f):
    there = os.path.join(f.outside, "common")
    shutil.copytree(f.gitdir, there)
    f.write(f.path("commondir"), there + "\n")


def link(name, what, plain, due, channel="stable", content=None, confined=False):
    @row(what + ", a link that leads outside", plain, due, channel, confined)
    def _(f):
        if os.path.lexists(f.path(name)) or content is not None:
            f.lead_out(name, content)
        else:
            os.makedirs(os.path.join(f.outside, name), exist_ok=True)
            os.symlink(os.path.join(f.outside, name), f.path(name))


link("objects", ".git/objects", FETCH, "repo_unfit")
link("objects/pack", ".git/objects/pack", ["-c fetch.unpackLimit=1 fetch -q --tags origin"], "fetch_failed", confined=True)
link("refs", ".git/refs", FETCH, "repo_unfit")
link("refs/tags", ".git/refs/tags", FETCH, "fetch_failed", confined=True)
link("refs/remotes/origin", ".git/refs/remotes/origin", FETCH, "fetch_failed", "alpha", confined=True)
link("logs", ".git/logs", FETCH, "repo_unfit", "alpha")
link("logs/HEAD", ".git/logs/HEAD", CHECKOUT, "checkout_failed", confined=True)
link("logs/refs", ".git/logs/refs", FETCH, "fetch_failed", "alpha", confined=True)
link("index", ".git/index", CHECKOUT, "repo_unfit", confined=True)
link("packed-refs", ".git/packed-refs", ["pack-refs --all"], "repo_unfit")
link("HEAD", ".git/HEAD", REFUSES + "such a HEAD is no HEAD", "repo_unfit")
link("shallow", ".git/shallow", REFUSES + "the link itself is replaced", "deployed", content="")
link("FETCH_HEAD", ".git/FETCH_HEAD", FETCH, "deployed", content="old\n")
link("ORIG_HEAD", ".git/ORIG_HEAD", REFUSES + "the link itself is replaced", "checkout_failed", "alpha",
     content="0" * 40 + "\n")
link("COMMIT_EDITMSG", ".git/COMMIT_EDITMSG", ["commit -q --amend -m x"], "deployed", content="old\n")
link("info", ".git/info", ["sparse-checkout set src"], "deployed")


@row("an index whose shared part lies outside", CHECKOUT, "repo_unfit", confined=True)
def _(f):
    f.world.git("update-index", "--split-index")
    shared = next(n for n in os.listdir(f.gitdir) if n.startswith("sharedindex."))
    f.lead_out(shared)


# ---- what moult itself tidies and keeps in .git

OWN = REFUSES + "it has nothing of the kind"


@row(".git/moult.lock, a link that leads outside", OWN, "refused")
def _(f):
    f.lead_out("moult.lock", "precious\n")


@row(".git/moult.lock, another name of a file outside", OWN, "refused")
def _(f):
    os.link(f.write(os.path.join(f.outside, "precious"), "precious\n"), f.path("moult.lock"))


@row("stale locks behind a link that leads outside", OWN, "fetch_failed")
def _(f):
    f.write(os.path.join(f.outside, "refs-heads-x", "y.lock"), "")
    os.symlink(os.path.join(f.outside, "refs-heads-x"), f.path("refs/heads/x"))
    f.lead_out("refs/tags")
    f.write(os.path.join(f.outside, "refs-tags", "v1.1.0.lock"), "")


@row("rubbish of a cut off fetch in a store behind a link that leads outside", FETCH, "repo_unfit")
def _(f):
    f.lead_out("objects")
    f.write(os.path.join(f.outside, "objects", "pack", "tmp_pack_precious"), "precious\n")


@row("an index.lock that is a link to a file outside", OWN)
def _(f):
    f.lead_out("index.lock", "precious\n")


# ---- the two trials

def prepare(field, name):
    world = field.world
    ROWS[name].plant(field)
    if "1.1.0" not in world.oids:
        world.release("1.1.0")
    field.seal()


def outcome(world, supervisor):
    """deployed, the reason of the failure, or "refused" when the pair does not even start."""
    def seen():
        status = world.read_status_file() or {}
        if status.get("status") == "deployed":
            return "deployed"
        if status.get("status") == "update_failed":
            return status["reason"]
        return "refused" if supervisor.pair_codes and supervisor.pair_codes[0] in (71, 77, 78) else None
    return wait_until(seen, [], "an outcome", 30)


@pytest.mark.untidy
@pytest.mark.parametrize("name", ROWS)
def test_nothing_planted_runs_or_writes_outside(world, field, name):
    prepare(field, name)
    supervisor = world.start()
    world.announce("1.1.0", channel=ROWS[name].channel)
    ended = outcome(world, supervisor)
    supervisor.stop()
    assert not field.gone_off(), field.gone_off()
    assert ended == ROWS[name].due, world.report()
    if ended == "deployed":
        assert world.installed == "1.1.0"
    else:
        assert world.installed == "1.0.0" and world.trace == []


FALLS = [name for name in ROWS if isinstance(ROWS[name].plain, list)]


@pytest.mark.untidy
@pytest.mark.parametrize("name", FALLS)
def test_plain_git_falls_for_it(world, field, name):
    prepare(field, name)
    for command in ROWS[name].plain:
        git_as_a_person(world, command)
    assert field.gone_off(), "the trap is not armed: the row above proves nothing"


@pytest.mark.untidy
@pytest.mark.parametrize("name", FALLS)
def test_without_landlock_nothing_runs_either_and_only_what_is_said_is_written(world, field, name):
    world.configure("sandbox.mode=degrade")
    prepare(field, name)
    supervisor = world.start(command=[os.path.join(worlds.BUILD, "tests/puppets/old_kernel"), "--without", "landlock",
                                      "--", world.moult, "run", "-f", world.conf])
    world.announce("1.1.0", channel=ROWS[name].channel)
    outcome(world, supervisor)
    supervisor.stop()
    found = field.gone_off()
    assert not [mark for mark in field.marks if mark in found], found
    assert bool(found) == ROWS[name].confined, found


def test_there_are_enough_rows_that_could_fail():
    assert len(ROWS) >= 30 and len(FALLS) >= 30
