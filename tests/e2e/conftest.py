"""The fixtures of the end-to-end tests. Every test has a world of its own, and leaves neither process nor file."""

import os
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import events  # noqa: E402
import world as worlds  # noqa: E402

events.become_subreaper()


def pytest_configure(config):
    config.addinivalue_line("markers", "without_redis: the world has no Redis")
    config.addinivalue_line("markers", "untidy: the test leaves locks or asides on purpose")
    config.addinivalue_line("markers", "root: needs the rights of root")
    config.addinivalue_line("markers", "slow: takes a minute")


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skip(reason="needs root: chown or mknod")
    for item in items:
        if item.get_closest_marker("root") and not worlds.IS_ROOT:
            item.add_marker(skip)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    world = getattr(item, "world", None)
    if world and report.failed and os.path.isdir(world.root):
        report.sections.append(("the world", world.report()))
    setattr(item, "failed_in_" + report.when, report.failed)


@pytest.fixture
def world(request):
    made = worlds.World(redis=request.node.get_closest_marker("without_redis") is None)
    request.node.world = made
    made.untidy_is_right = request.node.get_closest_marker("untidy") is not None
    yield made
    try:
        wrong = made.end()
        if wrong and not getattr(request.node, "failed_in_call", False):
            pytest.fail("\n".join(wrong) + "\n" + made.report(), pytrace=False)
    finally:
        made.remove()
        assert not os.path.exists(made.root)
