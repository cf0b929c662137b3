"""Each room has the power that SECURITY.md gives it, and no other: read from the objects themselves."""

import functools
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MOULT_TEST_BUILD", ROOT / "build")).resolve()
ROOMS = ("parent", "child", "client", "shared")

# What each room must not call at all, and the one file of it that may: {symbol pattern: {room: files}}.
POWERS = {
    r"v?fork|execv\w*|execl\w*|fexecve|posix_spawnp?|system|popen": {
        "parent": {"start"}, "child": {"spawn"}, "client": {"spawn", "run", "libmoult"}},
    r"socket|connect|bind|listen|accept4?|getaddrinfo|gethostbyname\w*": {
        "parent": {"prepare"}},
    r"socketpair": {"parent": {"start"}, "child": {"spawn"}},
    r"redis\w+|freeReplyObject": {"parent": {"redis"}, "client": {"check_redis"}},
    r"seccomp_\w+": {"shared": {"filter"}},
    r"ini_parse\w*": {"shared": {"conf"}},
    r"filter_build|filter_load\w*": {"parent": {"seal"}, "child": {"profile", "seal", "spawn"},
                                  "shared": {"filter"}},
    r"landlock_\w+": {"parent": {"domain"}, "child": {"domain", "seal", "spawn"}},
    r"landlock_(enter|ruleset|allow\w*)": {"parent": {"domain"}, "child": {"domain", "spawn"}},
    r"user_become": {"parent": {"seal"}, "child": {"seal"}, "client": {"check_redis"}},
    r"set(re|res|e|fs)?[ug]id|setgroups|initgroups|capset": {"shared": {"user"}},
    r"kill|killpg|tgkill": {"child": {"seal", "spawn", "tree"}, "client": {"check_relay", "libmoult", "supervise"}},
    r"dlopen|dlsym|ptrace|mount|chroot|pivot_root": {},
    r"sprintf|vsprintf|strcpy|strcat|gets|strtok|atoi|atol|tmpnam|mktemp|signal_r": {},
}


@functools.lru_cache(maxsize=None)
def undefined(path):
    """The symbols that an object or a program takes from elsewhere, without their versions."""
    text = subprocess.run(["nm", "-u", path], check=True, capture_output=True, text=True).stdout
    return {re.sub(r"^__|_chk$", "", line.split()[-1].split("@")[0]) for line in text.splitlines()
            if line.split() and line.split()[0] in ("U", "w")}


def defined(path):
    text = subprocess.run(["nm", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in text.splitlines() if len(line.split()) == 3}


def objects(room):
    found = sorted((BUILD / room).glob("*.o"))
    assert found, "no objects of %s in %s" % (room, BUILD)
    return found


@pytest.mark.parametrize("pattern", POWERS, ids=lambda p: p.split("|")[0])
def test_a_power_has_one_address_in_each_room(pattern):
    for room in ROOMS:
        holders = {o.stem for o in objects(room) if any(re.fullmatch(pattern, s) for s in undefined(o))}
        allowed = POWERS[pattern].get(room, set())
        assert holders <= allowed, "%s: %s" % (room, sorted(holders - allowed))


@pytest.mark.parametrize("room, pattern", [("parent", "v?fork|execv\\w*"), ("child", "v?fork|execv\\w*"),
                                           ("parent", "redis\\w+"), ("shared", "seccomp_\\w+"),
                                           ("parent", "landlock_\\w+"), ("child", "landlock_\\w+"),
                                           ("parent", "user_become"), ("child", "user_become"),
                                           ("shared", "setresuid"), ("child", "kill")])
def test_the_search_for_powers_finds_what_is_there(room, pattern):
    assert any(re.fullmatch(pattern, s) for o in objects(room) for s in undefined(o))


def test_no_object_of_one_process_is_in_the_other():
    monitor, executor = defined(BUILD / "moult-monitor"), defined(BUILD / "moult-executor")
    assert "mon_rule" in monitor or any(s.startswith("mon_") for s in monitor)
    assert "exe_dispatch" in executor
    assert not [s for s in executor if s.startswith("mon_")]
    assert not [s for s in monitor if s.startswith(("exe_", "command_", "journal_", "plan_"))]


# The calls whose numbers stand in the sources, for want of a function, and the one file that makes each.
RAW_CALLS = {
    "landlock_create_ruleset": "shared/landlock.c", "landlock_add_rule": "shared/landlock.c",
    "landlock_restrict_self": "shared/landlock.c", "seccomp": "shared/filter.c",
    "capset": "shared/user.c", "capget": "shared/user.c"}


def code_of(path):
    """A source without its comments and strings."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def code_of_rooms():
    return {"%s/%s" % (room, p.name): code_of(p) for room in ROOMS for p in sorted((ROOT / room).glob("*.[ch]"))}


@pytest.mark.parametrize("call", RAW_CALLS)
def test_a_call_made_by_its_number_is_made_in_one_file(call):
    found = [name for name, code in code_of_rooms().items() if re.search(r"\b(SYS|__NR)_%s\b" % call, code)]
    assert found == [RAW_CALLS[call]]


def test_no_call_is_made_by_a_bare_number():
    bare = [(name, m[0]) for name, code in code_of_rooms().items()
            for m in re.finditer(r"\bsyscall\((?!\s*SYS_)[^,)]*|\b44[456]\b", code)]
    # The attempts of `moult check` are a table of calls that must fail.
    assert not [(name, text) for name, text in bare if name != "child/check_sandbox.c"], bare


def needed(path):
    text = subprocess.run(["readelf", "-d", path], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(\w+)", text))


# What each program is linked with, and nothing beside.
LIBRARIES = {
    "moult-monitor": {"libhiredis", "libjansson", "libseccomp", "libinih", "libbsd", "libmd"},
    "moult-executor": {"libjansson", "libseccomp", "libinih", "libbsd", "libmd"},
    "moult": {"libhiredis", "libjansson", "libinih", "libbsd", "libmd"}}


@pytest.mark.parametrize("program", LIBRARIES)
def test_a_program_is_linked_with_its_libraries_and_no_other(program):
    linked = {n for n in needed(BUILD / program) if not n.startswith(("libasan", "libubsan", "libgcc"))}
    assert linked - {"libc", "ld"} <= LIBRARIES[program]
    assert "libc" in linked and linked & LIBRARIES[program]


def test_libmoult_needs_libc_alone_and_exports_its_own_names_alone():
    library = BUILD / "libmoult.so.0"
    extra = needed(library) - {"libc", "ld"}
    assert not {n for n in extra if not n.startswith(("libasan", "libubsan", "libgcc"))}
    text = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1].split("@")[0] for line in text.splitlines()}
    assert {"moult_start", "moult_fd", "moult_next", "moult_stop"} <= names
    assert all(n.startswith(("moult_", "LIBMOULT", "MOULT")) for n in names), names


def compiles(path, room):
    flags = ["-std=c11", "-D_GNU_SOURCE", "-fsyntax-only", "-I%s" % (ROOT / "include"), "-I%s" % path.parent,
             "-DMOULT_ROOM_" + room]
    return subprocess.run(["gcc", *flags, "-x", "c", path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", [p for room in ROOMS for p in sorted((ROOT / room).glob("*.h"))],
                         ids=lambda p: "%s/%s" % (p.parent.name, p.name))
def test_a_header_of_a_room_does_not_compile_in_another(path):
    own = path.parent.name.upper()
    done = compiles(path, own)
    assert done.returncode == 0, done.stderr
    for room in {room.upper() for room in ROOMS} - {own}:
        done = compiles(path, room)
        assert done.returncode != 0 and "#error" in done.stderr, room


def test_a_room_includes_its_own_headers_and_the_common_ones_alone():
    common = {p.name for p in (ROOT / "include").glob("*.h")}
    for room in ROOMS:
        own = {p.name for p in (ROOT / room).glob("*.h")} | {"migrate_py.h"}
        for path in sorted((ROOT / room).glob("*.[ch]")):
            named = set(re.findall(r'^#include "([^"]+)"', path.read_text(), flags=re.M))
            assert named <= common | own, "%s: %s" % (path, named - common - own)


def sources():
    return [p for room in ROOMS for p in sorted((ROOT / room).glob("*.[ch]"))] + sorted((ROOT / "include").glob("*.h"))


@pytest.mark.parametrize("path", sources(), ids=lambda p: "%s/%s" % (p.parent.name, p.name))
def test_every_module_says_its_room_and_whom_it_distrusts(path):
    head = path.read_text()[:1500]
    assert "room:" in head and "distrusts:" in head


@pytest.mark.parametrize("path", [p for p in sources() if p.suffix == ".c"], ids=lambda p: "%s/%s" % (p.parent.name, p.name))
def test_no_function_is_longer_than_a_screen(path):
    start = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            assert number - start <= 60, "%s:%d" % (path, start)
            start = None


def test_exit_42_stands_at_one_place():
    hits = [(p.name, line.strip()) for room in ("parent", "child", "shared")
            for p in sorted((ROOT / room).glob("*.[ch]"))
            for line in re.sub(r"/\*.*?\*/", "", p.read_text(), flags=re.S).splitlines()
            if re.search(r"\b42\b|MOULT_EXIT_RESTART", line) and '"' not in line]
    assert [name for name, line in hits] == ["actions.c"], hits


def test_security_md_holds_the_tables_of_the_code():
    printed = "".join(subprocess.run([BUILD / "tests" / room / "print_tables"], check=True, capture_output=True,
                                       text=True).stdout for room in ("child", "parent"))
    text = (ROOT / "SECURITY.md").read_text()
    held = text.split("## The tables\n", 1)[1].strip()
    assert held == printed.strip(), "run: make tables"
