"""The model of moult, its smallest bounds; `make model` has the others. One test for each row of its tables."""

import sys

import pytest

sys.dont_write_bytecode = True

import check_names  # noqa: E402
import run  # noqa: E402

CONFIGURATIONS, FAULTS, HARMLESS = run.rows(sample=True)


def titles(row):
    return row.title


def test_every_transition_of_the_model_is_one_of_the_code():
    assert check_names.check() == []


@pytest.mark.parametrize("gone, complaint", [
    ("child/found.c:found_unfinished", "has no function"),
    ("[ASKED HELD -> WAITING]", "has no transition"),
    ("FINISH/commit", "has no task FINISH/commit"),
    ("#define PHASE_OWED ", "has no phase OWED"),
])
def test_what_the_model_does_not_name_any_more_is_missed(gone, complaint):
    text = check_names.MODEL.read_text(encoding="utf-8")
    changed = text.replace(gone, gone.replace("found_unfinished", "found_nowhere") if "found_" in gone else "")
    assert changed != text
    assert any(complaint in sentence for sentence in check_names.check(changed))


@pytest.mark.parametrize("row", CONFIGURATIONS, ids=titles)
def test_the_promises_hold_in_every_order_of_events(row):
    result, trail = run.check(row)
    assert result.error is None, trail
    assert result.states > 0


def test_no_transition_of_the_model_is_dead():
    seen = set().union(*(run.check(row)[0].taken for row in CONFIGURATIONS))
    assert run.never_taken(seen) == set()


@pytest.mark.parametrize("row", FAULTS, ids=titles)
def test_a_fault_built_into_the_model_is_found(row):
    result, _ = run.check(row)
    assert run.found(result), result.error


@pytest.mark.parametrize("row", HARMLESS, ids=titles)
def test_a_fault_that_a_second_guard_hides_stays_hidden(row):
    result, trail = run.check(row)
    assert result.error is None, trail
