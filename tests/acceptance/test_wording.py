"""The pipeline learns outcomes from no message: its tests pass with every text of ours and of DVC's replaced."""

import pytest

from tests.conftest import copy_project
from tests.operations.test_pipeline_run import OTHER, Graph, dvc
from tests.operations.test_pipeline_run import (
    test_a_failed_stage_stops_only_the_stages_that_depend_on_it as test_a_failed_stage,
)
from tests.operations.test_pipeline_run import test_a_killed_stage_is_retried as test_a_killed_stage
from tests.operations.test_pipeline_run import (
    test_cached_outputs_are_restored_and_forced_stages_run as test_cached_outputs,
)
from tests.operations.test_pipeline_run import (
    test_every_stage_runs_once_as_a_child_run_and_is_then_skipped as test_every_stage_runs_once,
)

__all__ = ["dvc", "test_a_failed_stage", "test_a_killed_stage", "test_cached_outputs", "test_every_stage_runs_once"]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, server: str) -> Graph:
    return Graph(copy_project(tmp_path_factory.mktemp("wording") / "project"), server, OTHER)
