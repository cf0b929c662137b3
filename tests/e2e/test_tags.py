"""Tags: missing, moved, annotated, ambiguous; and branches and names made to be mistaken for them."""

import os

import pytest


def test_a_missing_tag_is_a_failure_of_its_own_that_is_tried_again(world):
    world.release("1.1.0", tag=False)
    world.start()
    status = world.fails("1.1.0", reason="tag_missing")
    assert "v1.1.0" in status["error"] and status["retry_at"] > status["timestamp"]
    assert world.head() == world.oids["1.0.0"] and world.trace == []


def test_a_tag_that_comes_later_is_found_by_the_next_attempt(world):
    oid = world.release("1.1.0", tag=False)
    world.start()
    world.fails("1.1.0", reason="tag_missing")
    world.git("tag", "v1.1.0", oid, cwd=world.remote)
    assert world.run("retry", "-f", world.conf).returncode == 0
    world.supervisors[-1].wait_restart()
    assert world.head() == oid


@pytest.mark.parametrize("fetch", ["tags", "tag"])
def test_an_annotated_tag_is_checked_out_as_its_commit(world, fetch):
    oid = world.release("1.1.0", annotated=True)
    world.configure("deploy.fetch=" + fetch)
    world.start()
    status = world.update("1.1.0")
    assert world.head() == oid and status["commit"] == oid


@pytest.mark.parametrize("fetch", ["tags", "tag"])
def test_an_unrelated_tag_that_moved_does_not_fail_the_update(world, fetch):
    world.git("tag", "nightly", world.oids["1.0.0"], cwd=world.remote)
    world.git("fetch", "-q", "--tags")
    oid = world.release("1.1.0")
    world.git("tag", "-f", "nightly", oid, cwd=world.remote)
    world.configure("deploy.fetch=" + fetch)
    world.start()
    world.update("1.1.0")
    assert world.head() == oid
    assert world.git("rev-parse", "nightly") == world.oids["1.0.0"], "moult moves no tag that it was not told of"


@pytest.mark.parametrize("fetch", ["tags", "tag"])
def test_the_wanted_tag_having_moved_is_an_alarm(world, fetch):
    first = world.release("1.1.0")
    world.git("fetch", "-q", "--tags")
    other = world.release("1.1.0", files={"src/other.txt": "other\n"})
    assert first != other
    world.configure("deploy.fetch=" + fetch)
    world.start()
    status = world.fails("1.1.0", reason="tag_moved")
    assert first in status["error"] and "retry_at" in status
    assert world.head() == world.oids["1.0.0"] and world.trace == []
    assert world.installed == "1.0.0"


def test_another_commit_for_a_version_than_the_one_first_seen_is_an_alarm(world):
    world.release("1.1.0", files={"Makefile": "install:\n\tfalse\n"})
    world.start()
    world.fails("1.1.0", reason="install_failed")
    world.release("1.1.0", files={"Makefile": world.makefile()})
    world.git("checkout", "-q", "--detach", world.oids["1.0.0"])
    world.git("tag", "-d", "v1.1.0")
    since = world.mark()
    assert world.run("retry", "-f", world.conf).returncode == 0
    status = world.failed(since, reason="tag_moved")
    assert "v1.1.0" in status["error"] or "1.1.0" in status["error"]
    assert world.installed == "1.0.0"


def test_fetch_tag_brings_the_announced_tag_alone(world):
    world.release("1.1.0")
    world.release("1.2.0")
    world.release("9.9.9-other", branch="other")
    world.configure("deploy.fetch=tag")
    world.start()
    world.update("1.1.0")
    assert world.git("tag").split() == ["v1.0.0", "v1.1.0"]


def test_a_branch_named_like_the_tag_does_not_matter(world):
    oid = world.release("1.1.0")
    world.release("1.2.0-bad", branch="v1.1.0", tag=False)
    world.git("branch", "v1.1.0", world.oids["1.0.0"])
    world.git("branch", "refs/tags/v1.1.0", world.oids["1.0.0"])
    world.start()
    world.update("1.1.0")
    assert world.head() == oid


def test_a_file_named_like_the_tag_does_not_matter(world):
    oid = world.release("1.1.0", files={"v1.1.0": "a file\n"})
    world.start()
    world.update("1.1.0")
    assert world.head() == oid


def test_a_tag_that_names_no_commit_is_refused(world):
    blob = world.git("hash-object", "-w", "--stdin", cwd=world.remote, data=b"a blob")
    world.git("tag", "v1.1.0", blob, cwd=world.remote)
    world.start()
    status = world.fails("1.1.0")
    assert status["step"] in ("fetch", "verify") and world.head() == world.oids["1.0.0"]


def test_a_tag_of_a_tag_is_peeled_to_its_commit(world):
    oid = world.release("1.1.0", annotated=True, tag_name="inner")
    world.git("-c", "user.name=T", "-c", "user.email=t@example.invalid", "tag", "-a", "-m", "outer", "v1.1.0",
              "inner", cwd=world.remote)
    world.start()
    world.update("1.1.0")
    assert world.head() == oid


def test_thousands_of_tags_are_no_trouble(world):
    oid = world.release("1.1.0")
    lines = "".join(f"create refs/tags/build-{i} {world.oids['1.0.0']}\n" for i in range(3000))
    world.git("update-ref", "--stdin", cwd=world.remote, data=lines.encode())
    world.git("pack-refs", "--all", cwd=world.remote)
    world.start()
    world.update("1.1.0")
    assert world.head() == oid and len(world.git("tag").split()) == 3002


def test_a_version_with_build_and_prerelease_parts_is_a_tag_like_any_other(world):
    oid = world.release("1.1.0-rc.1+build.5")
    world.start()
    world.update("1.1.0-rc.1+build.5", channel="beta")
    assert world.head() == oid


def test_alpha_with_a_commit_that_is_not_on_the_branch_is_refused(world):
    oid = world.release("1.1.0", branch="side", onto=world.oids["1.0.0"])
    world.start()
    world.fails(oid, channel="alpha", reason="commit_absent")
    assert world.head() == world.oids["1.0.0"] and world.trace == []


def test_alpha_with_an_abbreviated_commit_is_refused(world):
    oid = world.release("1.1.0")
    world.start()
    world.fails(oid[:12], channel="alpha", reason="signal_invalid")


def test_alpha_reads_its_version_where_it_is_told_to(world):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")},
                  files={"pyproject.toml": '[project]\nname = "x"\nversion = "1.1.0"\n'}, tag=False)
    world.configure("deploy.version=file pyproject.toml")
    world.start()
    status = world.update("9.9.9", channel="alpha")
    assert status["version"] == "1.1.0"
    assert world.trace == ["migrate 1.1.0/001_first", "install 1.1.0"]


def test_alpha_reads_its_version_by_describe(world):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.configure("deploy.version=describe")
    world.start()
    status = world.update("1.1.0", channel="alpha")
    assert status["version"] == "1.1.0"


def test_alpha_whose_tree_does_not_say_its_version_fails_before_any_migration(world):
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")}, tag=False)
    world.configure("deploy.version=file NOT_THERE")
    world.start()
    world.fails("1.1.0", channel="alpha", reason="version_unknown")
    assert world.trace == [] and world.installed == "1.0.0"


def test_the_branch_of_alpha_is_configurable(world):
    oid = world.release("1.1.0", branch="edge", onto=world.oids["1.0.0"], tag=False)
    world.git("fetch", "-q", "origin", "edge")
    world.git("checkout", "-q", "-b", "edge", world.oids["1.0.0"])
    world.configure("deploy.branch=edge")
    world.start()
    world.update("1.1.0", channel="alpha")
    assert world.head() == oid and world.git("symbolic-ref", "HEAD") == "refs/heads/edge"


def test_moult_keeps_the_objects_in_the_checkouts_own_store(world):
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    world.git("fsck", "--full", "--strict")
    assert not os.path.exists(os.path.join(world.repo, ".git", "objects", "info", "alternates"))
