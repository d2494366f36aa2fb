"""The site in a real Chromium, opened from files, without a network: pages draw, and the search finds."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_ui import CHROMIUM, QUIET
from tests.docs.test_site import build

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
PAGES = ("index", "tutorials/first-run", "how-to/own-tables", "reference/settings", "reference/cli", "explanation/gate")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done: subprocess.CompletedProcess[str] = build(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_loads_only_files(name: str, width: int, site: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto((site / f"{name}.html").as_uri())
    assert page.locator("article h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert [url for url in requested if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    page.close()


def test_the_search_finds_a_setting(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.locator("input.md-search__input").click()
    page.keyboard.type("label_encoding", delay=20)
    page.locator(".md-search-result__link").first.wait_for()
    assert "reference/settings.html" in page.locator(".md-search-result__list").inner_html()
    page.close()
