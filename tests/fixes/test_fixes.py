"""Generated tests of real bugs fail with the bug and pass with its fix; none is green."""

from __future__ import annotations

import os

import pytest

from . import runner
from .cases import CASES
from .trigger import PLANTED

pytest.importorskip("graphene_django", reason="the project of the corpus uses it")

#: A kind each: relations, templates, sessions, files, keys, REST, commands, tasks.
SAMPLE = frozenset(
    {
        *("recursion_of_a_category", "link_in_a_template", "kept_in_the_session"),
        *("column_of_a_csv", "naive_and_aware", "serializer_of_a_null_relation"),
        *("check_that_never_succeeded", "task_with_zero", "decimal_and_float"),
        *("literal_of_graphql", "zero_in_a_csv", "number_between_constants"),
    }
)
#: What a runner may do in its own way: databases, handled errors, threads, files.
SAMPLE_OF_PYTEST = frozenset(
    {
        *("two_of_one_name", "handled_division", "async_view", "stream_of_lines"),
        *("mutation_of_graphql", "zero_in_a_file_of_a_command", "below_a_script"),
        *("task_with_the_key_of_a_row", "host_of_a_tenant"),
    }
)
SAMPLES = {runner.DJANGO: SAMPLE, runner.PYTEST: SAMPLE_OF_PYTEST}
IS_WHOLE = bool(os.environ.get("FIXES_ALL"))
# Texts that are planted in each case, and which.
TEXTS = 24 if IS_WHOLE else 2
SEED = int(os.environ.get("FIXES_SEED", "1"))


@pytest.fixture(scope="module", params=[runner.DJANGO, runner.PYTEST])
def results(request):
    names = SAMPLES[request.param]
    chosen = [case for case in CASES if IS_WHOLE or case.name in names]
    return runner.measure(chosen, check=request.param)


def named(results, outcome):
    return [each.case.name for each in results if each.outcome == outcome]


def test_no_test_is_green_with_its_bug(results):
    assert named(results, runner.GREEN) == []


def test_each_test_fails_rightly_or_with_a_sentence(results):
    others = [each for each in results if each.outcome == runner.OTHER]
    assert [(each.case.name, each.detail) for each in others] == []
    least = 0.7 if IS_WHOLE else 0.8
    assert len(named(results, runner.RIGHT)) >= least * len(results)


def test_no_text_of_a_visitor_is_in_a_bug_file_or_an_issue(results):
    for result in results:
        for text in (result.made["file"], result.made["issue"]):
            assert PLANTED not in text.lower(), result.case.name


def test_no_text_of_a_visitor_leaves_the_site_wherever_it_is_planted():
    """The whole corpus each time; another FIXES_SEED has other texts."""
    found = runner.leaks_of(CASES, SEED, TEXTS)
    assert found["problems"] == []
    assert found["leaks"] == []
    assert found["compared"] == len(CASES) * TEXTS
