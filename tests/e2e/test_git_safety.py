"""A .git that is full of traps: nothing planted there runs, and what moult cannot work with is refused by name."""

import os
import shutil

import pytest

from remotes import GitDaemon, Http


@pytest.fixture
def pwned(world):
    """A script that leaves a mark when anything runs it, and the mark."""
    script = os.path.join(world.root, "trap")
    mark = os.path.join(world.root, "pwned")
    with open(script, "w") as f:
        f.write(f"#!/bin/sh\necho \"$0 $*\" >> {mark}\nexit 0\n")
    os.chmod(script, 0o755)
    yield script
    assert not os.path.exists(mark), open(mark).read()


def updates(world, channel="stable", **more):
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a")}, **more)
    world.start()
    world.update("1.1.0", channel=channel)
    assert world.head() == world.oids["1.1.0"]


HOOKS = ["post-checkout", "post-merge", "pre-merge-commit", "reference-transaction", "post-index-change", "pre-auto-gc",
         "post-rewrite", "fsmonitor-watchman", "pre-commit", "post-commit", "update", "post-update"]


@pytest.mark.parametrize("channel", ["alpha", "stable"])
def test_no_hook_of_the_clone_runs(world, pwned, channel):
    hooks = os.path.join(world.repo, ".git", "hooks")
    os.makedirs(hooks, exist_ok=True)
    for name in HOOKS:
        shutil.copy(pwned, os.path.join(hooks, name))
    updates(world, channel)


SETTINGS = {
    "core.hooksPath": "{root}/hooks", "core.fsmonitor": "{trap}", "core.sshCommand": "{trap}", "core.gitProxy": "{trap}",
    "core.askPass": "{trap}", "core.editor": "{trap}", "core.pager": "{trap}", "core.alternateRefsCommand": "{trap}",
    "credential.helper": "!{trap}", "gpg.program": "{trap}", "gpg.ssh.program": "{trap}", "diff.external": "{trap}",
    "remote.origin.uploadpack": "{trap}", "remote.origin.vcs": "trap", "uploadpack.packObjectsHook": "{trap}",
    "core.attributesFile": "{root}/attributes", "merge.ff": "false",
    "pull.rebase": "true", "remote.origin.url": "ext::{trap}", "remote.origin.tagOpt": "--no-tags",
    "remote.origin.fetch": "+refs/heads/*:refs/heads/*", "include.path": "{root}/included", "alias.fetch": "!{trap}",
    "url.ext::{trap} .insteadOf": "{root}", "protocol.allow": "always",
    "fetch.recurseSubmodules": "true", "submodule.recurse": "true", "core.autocrlf": "true", "core.sparseCheckout": "false",
    "fetch.prune": "true", "fetch.pruneTags": "true", "gc.auto": "1", "maintenance.auto": "true", "core.logAllRefUpdates":
    "always", "http.proxy": "http://127.0.0.1:1", "core.ignoreCase": "true",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_of_the_clone_takes_effect(world, pwned, name):
    value = SETTINGS[name].format(trap=pwned, root=world.root)
    key = name.format(trap=pwned)
    os.mkdir(os.path.join(world.root, "hooks"))
    os.mkdir(os.path.join(world.root, "elsewhere"))
    for hook in HOOKS:
        shutil.copy(pwned, os.path.join(world.root, "hooks", hook))
    with open(os.path.join(world.root, "included"), "w") as f:
        f.write(f"[core]\n\tfsmonitor = {pwned}\n\thooksPath = {world.root}/hooks\n")
    with open(os.path.join(world.root, "attributes"), "w") as f:
        f.write("* filter=trap\n")
    config = os.path.join(world.repo, ".git", "config")
    for k, v in ((key, value), ("filter.trap.smudge", pwned), ("filter.trap.process", pwned)):
        section, _, last = k.rpartition(".")
        head, _, sub = section.partition(".")
        with open(config, "a") as f:
            f.write((f'[{head} "{sub}"]' if sub else f"[{head}]") + f"\n\t{last} = {v}\n")
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a")})
    world.start()
    world.update("1.1.0")
    with open(os.path.join(world.repo, "VERSION")) as f:
        assert f.read() == "1.1.0\n"
    assert os.listdir(os.path.join(world.root, "elsewhere")) == []


@pytest.mark.parametrize("transport", ["git", "http"])
def test_no_setting_of_the_clone_takes_effect_over_the_network(world, pwned, transport):
    remote = world.peer(GitDaemon(world) if transport == "git" else Http(world))
    for key, value in {"core.gitProxy": pwned, "credential.helper": "!" + pwned, "http.proxy": "http://127.0.0.1:1",
                       "core.askPass": pwned, f"url.ext::{pwned} .insteadOf": remote.url,
                       "http.sslVerify": "false"}.items():
        world.git("config", key, value)
    world.configure("deploy.remote=" + remote.url)
    updates(world)


def test_no_filter_named_by_the_clones_own_attributes_runs(world, pwned):
    os.makedirs(os.path.join(world.repo, ".git", "info"), exist_ok=True)
    with open(os.path.join(world.repo, ".git", "info", "attributes"), "w") as f:
        f.write("* filter=trap merge=trap diff=trap\n")
    for key in ("filter.trap.smudge", "filter.trap.clean", "filter.trap.process", "merge.trap.driver",
                "diff.trap.command", "diff.trap.textconv"):
        world.git("config", key, pwned)
    world.git("config", "filter.trap.required", "true")
    updates(world)


def test_no_filter_named_by_the_new_version_itself_runs(world, pwned):
    for key in ("filter.trap.smudge", "filter.trap.clean", "filter.trap.process", "merge.trap.driver"):
        world.git("config", key, pwned)
    updates(world, files={".gitattributes": "* filter=trap merge=trap\n"})


def test_the_users_own_git_configuration_is_not_read(world, pwned):
    with open(os.path.join(world.home, ".gitconfig"), "w") as f:
        f.write(f"[core]\n\tfsmonitor = {pwned}\n\tsshCommand = {pwned}\n[alias]\n\tfetch = !{pwned}\n")
    updates(world)
    os.unlink(os.path.join(world.home, ".gitconfig"))


def test_a_version_with_submodules_is_refused_before_the_checkout_and_fetches_none(world):
    remote = world.peer(Http(world))
    world.release("1.1.0", files={".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = {remote.url}\n'})
    world.start()
    status = world.fails("1.1.0", reason="repo_unfit")
    assert "submodule" in status["error"]
    assert remote.requests == [] and world.head() == world.oids["1.0.0"] and world.trace == []


def test_a_submodule_that_would_run_a_command_is_not_even_received(world, pwned):
    world.release("1.1.0", files={".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::x\n\tupdate = !{pwned}\n'})
    world.start()
    status = world.fails("1.1.0", reason="fetch_failed")
    assert "gitmodules" in status["error"] + status.get("output", "")
    assert world.head() == world.oids["1.0.0"]


def test_the_environment_of_the_daemon_does_not_reach_git(world, pwned):
    for name in ("GIT_SSH_COMMAND", "GIT_PROXY_COMMAND", "GIT_ASKPASS", "GIT_EXTERNAL_DIFF", "GIT_EDITOR"):
        world.env[name] = pwned
    world.release("1.1.0")
    world.env.update({"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": pwned})
    world.start()
    for name in list(world.env):
        if name.startswith("GIT_") and name != "GIT_CONFIG_NOSYSTEM":
            del world.env[name]
    world.update("1.1.0")


def test_the_clones_own_configuration_and_hooks_are_left_as_they_were(world):
    with open(os.path.join(world.repo, ".git", "config"), "rb") as f:
        before = f.read()
    updates(world)
    with open(os.path.join(world.repo, ".git", "config"), "rb") as f:
        assert f.read() == before
    assert not os.path.exists(os.path.join(world.repo, ".git", "hooks"))


def test_a_plain_git_still_works_in_the_checkout_afterwards(world):
    updates(world)
    assert world.git("status", "--porcelain") == ""
    assert world.git("describe", "--tags") == "v1.1.0"
    world.git("fsck", "--strict")
    world.git("checkout", "-q", "main")


# ---- what is in the tree

@pytest.mark.parametrize("channel", ["alpha", "stable"])
def test_a_tree_edited_by_hand_is_refused_with_the_files_named_and_nothing_is_lost(world, channel):
    edited = os.path.join(world.repo, "src", "program.txt")
    with open(edited, "a") as f:
        f.write("my own line\n")
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", channel=channel, reason="tree_dirty")
    assert "src/program.txt" in status["error"] + status.get("output", "")
    assert "retry_at" in status
    with open(edited) as f:
        assert "my own line" in f.read()
    world.git("checkout", "-q", "--", "src/program.txt")
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()


@pytest.mark.parametrize("how", ["removed", "staged", "mode", "typechange"])
def test_other_changes_by_hand_are_refused_too(world, how):
    path = os.path.join(world.repo, "src", "program.txt")
    if how == "removed":
        os.unlink(path)
    elif how == "staged":
        with open(path, "a") as f:
            f.write("x\n")
        world.git("add", "src/program.txt")
    elif how == "mode":
        os.chmod(path, 0o755)
    else:
        os.unlink(path)
        os.symlink("/etc/passwd", path)
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0", reason="tree_dirty")
    assert "src/program.txt" in status["error"] + status.get("output", "")


def test_a_touched_file_with_the_same_content_is_not_dirty(world):
    os.utime(os.path.join(world.repo, "src", "program.txt"))
    updates(world)


def test_an_untracked_file_that_the_new_version_brings_is_not_overwritten(world):
    mine = os.path.join(world.repo, "src", "new.txt")
    with open(mine, "w") as f:
        f.write("mine\n")
    world.release("1.1.0", files={"src/new.txt": "theirs\n"})
    world.start()
    status = world.fails("1.1.0")
    assert status["reason"] in ("tree_dirty", "checkout_failed")
    assert "src/new.txt" in status["error"] + status.get("output", "")
    with open(mine) as f:
        assert f.read() == "mine\n"
    assert world.head() == world.oids["1.0.0"] and world.trace == []


def test_untracked_files_that_are_not_in_the_way_stay(world):
    mine = os.path.join(world.repo, "notes.txt")
    with open(mine, "w") as f:
        f.write("mine\n")
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    with open(mine) as f:
        assert f.read() == "mine\n"


def test_a_migration_cannot_move_the_checkout(world):
    body = (f"import subprocess\nsubprocess.run(['git', '-C', {world.repo!r}, 'checkout', '-q', '--detach', "
            f"{world.oids['1.0.0']!r}], check=True, env={{'PATH': '/usr/bin:/bin', 'HOME': {world.home!r}}})")
    world.release("1.1.0", {"001_a.py": world.python_migration("1.1.0/001_a", body=body)})
    world.start()
    world.fails("1.1.0", reason="migration_failed")
    assert world.head() == world.oids["1.1.0"] and world.trace == []


def test_an_install_that_moves_the_checkout_is_found_out_and_restarts_nothing(world):
    after = f"git -C {world.repo} checkout -q --detach {world.oids['1.0.0']}"
    world.release("1.1.0", files={"Makefile": world.makefile(after=after)})
    world.start()
    world.fails("1.1.0", reason="head_changed")
    assert world.head() == world.oids["1.0.0"] and world.trace == ["install 1.1.0"]


# ---- kinds of checkout that are not supported

def unfit(world):
    world.release("1.1.0")
    supervisor = world.start()
    world.announce("1.1.0")
    status = None
    try:
        status = world.wait_status("update_failed", seconds=10)
    except AssertionError:
        assert supervisor.pair_codes and supervisor.pair_codes[0] in (71, 77, 78), "neither reported nor refused"
    assert status is None or status["reason"] == "repo_unfit", status
    assert world.trace == []


def test_a_linked_worktree_is_refused(world):
    linked = world._dir("linked")
    world.give(linked)
    world.git("worktree", "add", "-q", "--detach", linked)
    world.configure("deploy.repo=" + linked)
    unfit(world)


def test_a_sparse_checkout_is_refused(world):
    world.git("sparse-checkout", "set", "src")
    unfit(world)


def test_a_partial_clone_is_refused(world):
    world.git("config", "uploadpack.allowFilter", "true", cwd=world.remote)
    world.clone("--filter=blob:none", remote="file://" + world.remote)
    unfit(world)


def test_a_checkout_in_the_middle_of_a_merge_is_refused_and_stays_as_it_is(world):
    program = os.path.join(world.repo, "src", "program.txt")
    for branch, text in (("theirs", "theirs\n"), ("mine", "mine\n")):
        world.git("checkout", "-q", "-b", branch, "v1.0.0")
        with open(program, "w") as f:
            f.write(text)
        world.git("commit", "-q", "-a", "-m", branch)
    world.git("merge", "-q", "theirs", check=False)
    with open(program) as f:
        before = f.read()
    world.release("1.1.0")
    world.start()
    status = world.fails("1.1.0")
    assert status["reason"] in ("repo_unfit", "tree_dirty") and "src/program.txt" in status["error"]
    with open(program) as f:
        assert f.read() == before and "<<<<" in before


def test_a_work_tree_elsewhere_is_refused(world):
    world.git("config", "core.worktree", world.prefix)
    unfit(world)


def test_a_directory_that_is_no_checkout_is_refused(world):
    shutil.rmtree(os.path.join(world.repo, ".git"))
    unfit(world)


def test_a_shallow_clone_works(world):
    world.clone("--depth=1", remote="file://" + world.remote)
    updates(world)
