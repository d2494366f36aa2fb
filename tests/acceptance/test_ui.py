"""The Prefect UI in a real Chromium: a run triggered in the UI, its stages, their tables and figures.

This test takes the screenshots of the documentation:
`FACES_SCREENSHOTS=docs/ui .venv/bin/python -m pytest tests/acceptance/test_ui.py --override-ini addopts=`.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import copy_project, runner, start_server, stop_server
from tests.orchestration.test_stage import flow_runs, post, stage_of, wait_for

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WIDTH, HEIGHT = 1400, 900
FIGURES = {
    "report_tables": 8,
    "report@keypoints": 12,
    "report@emotion": 13,
    "report_predictions": 1,
}
"""Minimum number of figures of each stage that draws."""
SHOWN = {"learning-emotion"}
"""Artifacts with a screenshot in the documentation."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")


class Review:
    """A project with server and worker, and a browser page of its UI."""

    def __init__(self, project: Path, address: str, page: Any, shots: Path) -> None:
        self.project, self.address, self.page, self.shots = project, address, page, shots

    def open(self, path: str, shown: str) -> None:
        """Open a page, and wait until it shows a text."""
        self.page.goto(self.address + path)
        self.page.get_by_text(shown).first.wait_for()

    def shoot(self, name: str) -> None:
        # The UI draws charts and timelines after texts.
        self.page.wait_for_timeout(3000)
        self.page.screenshot(path=self.shots / f"{name}.png")

    def artifacts(self, run: str, kind: str) -> list[dict[str, Any]]:
        query = {"flow_runs": {"id": {"any_": [run]}}, "artifacts": {"type": {"any_": [kind]}}}
        artifacts: list[dict[str, Any]] = post(f"{self.address}/api", "artifacts/filter", query)
        return artifacts


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Review]:
    shots = Path(os.environ.get("FACES_SCREENSHOTS", tmp_path_factory.mktemp("shots"))).resolve()
    shots.mkdir(parents=True, exist_ok=True)
    project = copy_project(tmp_path_factory.mktemp("ui") / "faces")
    try:
        address = start_server(project, with_worker=True).removesuffix("/api")
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            sign_in(page, project, address)
            yield Review(project, address, page, shots)
            browser.close()
    finally:
        stop_server(project)


def sign_in(page: Any, project: Path, address: str) -> None:
    """Sign in to the UI with the auth string that `up` and `status` print."""
    output = runner(project)("python", "-m", "flows", "status", PREFECT_API_URL=None).stdout
    secret = re.search(r"^Sign in +(\S+)$", output, re.MULTILINE)
    assert secret
    page.goto(address)
    page.locator("input[type=password]").fill(secret[1])
    page.get_by_role("button", name="Login").click()
    page.get_by_text("Dashboard").first.wait_for()


@pytest.fixture(scope="module")
def done(review: Review) -> dict[str, Any]:
    """A run of the whole pipeline, triggered in the UI."""
    review.open("/deployments", "At 06:00 AM every day")
    review.shoot("deployments")
    review.page.get_by_role("link", name="retrain").click()
    review.page.get_by_text("At 03:00 AM, only on Monday").wait_for()
    review.page.get_by_role("button", name="Run", exact=True).click()
    review.page.get_by_text("Custom run").click()
    review.page.get_by_text(
        "Then promote the models to production, unless they are worse than the champion."
    ).wait_for()
    review.shoot("run_form")
    review.page.get_by_role("button", name="Submit").click()
    # A run that the UI did not submit would otherwise be waited for until the test ends.
    wait_for(lambda: pipeline_runs(review, "PENDING", "RUNNING", "COMPLETED", "FAILED"), 180)
    wait_for(lambda: pipeline_runs(review, "COMPLETED", "FAILED"), 2700)
    (run,) = pipeline_runs(review, "COMPLETED", "FAILED")
    assert run["state"]["name"] == "Completed"
    return run


def pipeline_runs(review: Review, *states: str) -> list[dict[str, Any]]:
    return [run for run in flow_runs(f"{review.address}/api", "pipeline") if run["state"]["type"] in states]


@pytest.mark.timeout(1200)
def test_the_pipeline_s_page_shows_its_stages(review: Review, done: dict[str, Any]) -> None:
    review.open(f"/runs/flow-run/{done['id']}", done["name"])
    review.shoot("pipeline")
    review.page.get_by_text("Subflow Runs", exact=True).click()
    review.page.get_by_text("Page 1 of 3").wait_for()
    seen: set[str] = set()
    for number in (1, 2, 3):
        pager = review.page.get_by_text(f"Page {number} of 3")
        pager.wait_for()
        review.page.wait_for_timeout(3000)
        seen |= set(re.findall(r"([a-z_]+(?:@[a-z]+)?) · ", review.page.inner_text("body")))
        if number < 3:
            pager.locator("xpath=following::button[1]").click()
    stages = YAML(typ="safe").load((review.project / "dvc.yaml").read_text())["stages"]
    assert {name.partition("@")[0] for name in seen} == {*stages, "pipeline"}
    assert {"train@keypoints", "train@emotion", "prepare_unlabeled@keypoints"} <= seen


@pytest.mark.timeout(300)
def test_the_ui_shows_every_stage_s_figures(review: Review, done: dict[str, Any]) -> None:
    # Prefect names a flow after its function, with dashes.
    names = {stage.partition("@")[0].replace("_", "-") for stage in FIGURES}
    runs = {stage_of(run): run["id"] for name in names for run in flow_runs(f"{review.address}/api", name)}
    for stage, minimum in FIGURES.items():
        figures = review.artifacts(runs[stage], "image")
        assert len(figures) >= minimum, stage
        for figure in figures:
            review.open(f"/artifacts/artifact/{figure['id']}", figure["key"])
            image = review.page.locator("img[src^='data:image/png']").first
            image.wait_for()
            assert image.evaluate("it => it.complete && it.naturalWidth") > 100, figure["key"]
            if figure["key"] in SHOWN:
                review.shoot(figure["key"])


@pytest.mark.timeout(120)
def test_a_stage_s_page_shows_its_artifacts_and_the_report_its_gate_result(
    review: Review, done: dict[str, Any]
) -> None:
    runs = {stage_of(run): run["id"] for run in flow_runs(f"{review.address}/api", "evaluate")}
    review.open(f"/runs/flow-run/{runs['evaluate@emotion']}", "evaluate@emotion")
    review.page.get_by_text("Artifacts", exact=True).click()
    for artifact in ("metrics-emotion", "classes-emotion", "slices-emotion"):
        review.page.get_by_text(artifact).first.wait_for()
    review.shoot("evaluate")
    (report,) = review.artifacts(done["id"], "markdown")
    review.open(f"/artifacts/artifact/{report['id']}", "Gate")
    for text in ("train@emotion", "accuracy", "macro_f1", "passed"):
        review.page.get_by_text(text).first.wait_for()
        assert review.page.get_by_text(text).first.is_visible()
    review.shoot("page")
