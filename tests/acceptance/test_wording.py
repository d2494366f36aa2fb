"""The pipeline learns outcomes from no message: its tests pass with every text of ours and of DVC's replaced."""

import pytest

from tests.conftest import copy_project
from tests.operations import test_pipeline_run as own
from tests.operations.test_pipeline_run import OTHER, Graph

# In this order: each continues where the one before it ended.
test_every_stage_runs_once = own.test_every_stage_runs_once_as_a_child_run_and_is_then_skipped
test_a_failed_stage = own.test_a_failed_stage_stops_only_the_stages_that_depend_on_it
test_cached_outputs = own.test_cached_outputs_are_restored_and_forced_stages_run
test_a_killed_stage = own.test_a_killed_stage_is_retried
dvc = own.dvc


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, server: str) -> Graph:
    return Graph(copy_project(tmp_path_factory.mktemp("wording") / "project"), server, OTHER)
