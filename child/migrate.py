# migrate.py - runs Python migrations, one at a time, when the executor says so.
#
# room: a step, below the executor: sandboxed as the migrations that it loads.
# distrusts: nothing: it has no power that a migration lacks. The executor distrusts it.
#
# Reads "check NAME" and "migrate NAME" from descriptor 4 and answers on descriptor 5 with one of:
# applied, pending (check); done (migrate); error TEXT. NAME is like 1.1.0/001_name.py. What a
# migration prints goes to the run's log.
import importlib.util
import os
import sys
import traceback

REPO, MIGRATIONS = sys.argv[1], sys.argv[2]
ASK, ANSWER = 4, 5
ANSWERS = {("check", True): "applied", ("check", False): "pending", ("migrate", True): "done"}


def load(name):
    """Imports the file of a migration under a name of its own."""
    path = os.path.join(MIGRATIONS, "v" + name)
    module_name = "moult_migration_" + "".join(c if c.isalnum() else "_" for c in name)
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    for verb in ("check", "migrate"):
        if not callable(getattr(module, verb, None)):
            raise TypeError("it defines no function %s()" % verb)
    return module


def answer(modules, verb, name):
    """The answer to one request; a migration may raise anything, SystemExit included."""
    streams = sys.stdout, sys.stderr
    try:
        if name not in modules:
            modules.clear()
            modules[name] = load(name)
        result = getattr(modules[name], verb)()
    except BaseException as error:
        traceback.print_exc(file=streams[1])
        return "error %s: %s" % (type(error).__name__, error)
    finally:
        sys.stdout, sys.stderr = streams
    if type(result) is not bool:
        return "error %s() returned %r, not True or False" % (verb, result)
    if (verb, result) not in ANSWERS:
        return "error %s() returned %s" % (verb, result)
    return ANSWERS[verb, result]


def flush():
    """What was printed stands in the log before the answer; a migration may have closed it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass


def main():
    os.set_inheritable(ASK, False)
    os.set_inheritable(ANSWER, False)
    sys.path.append(REPO)
    modules = {}
    with os.fdopen(ASK, "r", encoding="ascii") as requests:
        for line in requests:
            verb, name = line.split()
            text = answer(modules, verb, name)
            flush()
            text = text.encode("ascii", "backslashreplace").replace(b"\n", b"\\n")[:400]
            os.write(ANSWER, text + b"\n")
    flush()
    os._exit(0)  # a thread that a migration left behind is not waited for


main()
