#!/usr/bin/python3
"""check_names.py - holds the model against the code: every transition names what it follows, and exists there.

usage: check_names.py        prints what does not fit; exit status 1 when something does not.
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODEL = HERE / "moult.pml"

# A transition's line: its name, and the comment behind its guard.
TRANSITION = re.compile(r"^\t:: (?:WHEN|ANY_OF)\((\w+), .*?\) /\* (.*) \*/$")
FUNCTION = re.compile(r"\b([a-z]+/\w+\.c):(\w+)")
CELL = re.compile(r"\[([A-Z]+) ([A-Z]+) -> ([A-Z]+)\]")
PROCESSES = {"Monitor": ("monitor", "parent/rules.c"), "Executor": ("executor", "child/rules.c")}
# What only the model has, or what it says in another way.
REPORTS_MERGED = {"HELLO"}
REPORTS_OWN = {"RETRY"}


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def transitions(text):
    """Yields process, name and comment of each transition; (process, None, line) of one without."""
    process = None
    for line in text.splitlines():
        if match := re.match(r"proctype (\w+)", line):
            process = match.group(1)
        if not re.match(r"\t:: (WHEN|ANY_OF)\(", line):
            continue
        match = TRANSITION.match(line)
        yield (process, match.group(1), match.group(2)) if match else (process, None, line.strip())


def rule_cells(path):
    """The filled cells of a rule table that do something: {(state, event): (action, next)}."""
    cells, state = {}, None
    for line in read(path).splitlines():
        if match := re.match(r"\t\[(?:MON|EXE)_([A-Z]+)\] = \{", line):
            state = match.group(1)
        match = re.match(r"\t\t\[ON_([A-Z]+)\]\s*= DO\((\w+),\s*([A-Z]+)\)", line)
        if match and match.group(2) not in ("nothing", "NULL"):
            cells[state, match.group(1)] = (match.group(2), match.group(3))
    return cells


def is_defined(path, function):
    return (ROOT / path).is_file() and re.search(rf"^(?:[^\s#/*].*[ *])?{function}\(", read(path), re.M)


def left_out(text, process):
    """The cells that the head of the model leaves out, for a reason it gives."""
    lines = re.findall(rf"left out: {process} (.*)", text)
    return {tuple(cell.split()) for line in lines for cell in line.split(",")}


def check_transitions(text, wrong):
    names, named = set(), {process: set() for process in PROCESSES}
    for process, name, comment in transitions(text):
        if name is None:
            wrong.append(f"{comment}: names nothing that it follows")
            continue
        if name in names:
            wrong.append(f"{name}: two transitions have that name")
        names.add(name)
        functions = FUNCTION.findall(comment)
        if not functions and "no counterpart: " not in comment:
            wrong.append(f"{name}: names no function")
        for path, function in functions:
            if not is_defined(path, function):
                wrong.append(f"{name}: {path} has no function {function}")
        for state, event, then in CELL.findall(comment):
            if process not in PROCESSES:
                wrong.append(f"{name}: {process} has no rule table")
                continue
            action, real = rule_cells(PROCESSES[process][1]).get((state, event), (None, None))
            named[process].add((state, event))
            if real != then:
                wrong.append(f"{name}: {PROCESSES[process][1]} has {state} {event} -> {real}")
            elif not {action, "mon_on_" + action} & {function for _, function in functions}:
                wrong.append(f"{name}: {state} {event} is done by {action}, which is not named")
    return names, named


def check_tables(text, named, wrong):
    for process, (title, path) in PROCESSES.items():
        cells, out = rule_cells(path), left_out(text, title)
        if not cells:
            wrong.append(f"{path}: no rule table was found")
        for cell in sorted(set(cells) - named[process] - out):
            wrong.append(f"{path}: {' '.join(cell)} has no transition in the model")
        for cell in sorted(out - set(cells)):
            wrong.append(f"the model leaves out {title} {' '.join(cell)}, which {path} does not have")
        for cell in sorted(out & named[process]):
            wrong.append(f"the model leaves out {title} {' '.join(cell)}, and has it")


def check_lists(text, wrong):
    tasks = {f"{step}/{name}" for step, name in re.findall(r"\{STEP_(\w+), \"(\w+)\",", read("child/plan.c"))}
    listed = {word for line in re.findall(r"tasks: (.*)", text) for word in line.split()}
    phases = set(re.findall(r"X\((\w+), *\"", read("child/journal.h").split("JOURNAL_PHASES(X)")[1].split("enum")[0]))
    wire = read("include/wire.h").split("#define WIRE_REPORTS(X)")[1].split("\n\n")[0]
    reports = set(re.findall(r"X\((\w+),", wire)) - REPORTS_MERGED
    for what, real, model in (("task", tasks, listed),
                              ("phase", phases, set(re.findall(r"#define PHASE_(\w+)", text))),
                              ("report", reports, set(re.findall(r"#define REP_(\w+)", text)) - REPORTS_OWN)):
        wrong += [f"the model has no {what} {name}" for name in sorted(real - model)]
        wrong += [f"the code has no {what} {name}" for name in sorted(model - real)]


def check_code(names, wrong):
    """Where the code names a transition, the model has it."""
    for path in sorted([*ROOT.glob("child/*.c"), *ROOT.glob("parent/*.c"), *ROOT.glob("client/*.c")]):
        for line in re.findall(r"\bmodel: ([\w, ]+)", path.read_text(encoding="utf-8")):
            for name in re.findall(r"\w+", line):
                if name not in names:
                    wrong.append(f"{path.relative_to(ROOT)}: the model has no transition {name}")


def bounds():
    """What the code counts up to, for the model to be compiled with."""
    header = read("child/executor.h")
    return {name: int(re.search(rf"#define EXE_{name}\s+(\d+)u", header).group(1))
            for name in ("INTERRUPTIONS_MAX", "RESTARTS_MAX")}


def check(text=None):
    """All that does not fit, as sentences."""
    text = text or MODEL.read_text(encoding="utf-8")
    wrong = []
    names, named = check_transitions(text, wrong)
    check_tables(text, named, wrong)
    check_lists(text, wrong)
    check_code(names, wrong)
    bounds()
    return wrong


if __name__ == "__main__":
    found = check()
    for sentence in found:
        print(sentence)
    print(f"{sum(1 for _ in transitions(MODEL.read_text(encoding='utf-8')))} transitions, {len(found)} do not fit")
    sys.exit(1 if found else 0)
