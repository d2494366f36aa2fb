"""The site builds without a warning, every page is in its navigation, and nothing in it is loaded from a network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def build(folder: Path, project: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--clean", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_every_page_is_built_and_no_code(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert built == sources | {Path("404.html")}
    assert list(site.rglob("*.py")) == []


def test_pages_load_nothing_from_a_network(site: Path) -> None:
    loads = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|@import|url\(["']?https?:""")
    links = re.compile(r"""<link\b[^>]*\brel=["']?(?:stylesheet|preconnect|icon)\b[^>]*\bhref=["']?(?:https?:)?//""")
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not loads.search(text), path
        assert not links.search(text), path
    # The search of a site that is opened from files needs both.
    assert (site / "search/search_index.js").is_file()
    assert 'src="assets/iframe-worker.js"' in (site / "index.html").read_text()


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    project, links = tmp_path / "project", ("how-to/nowhere.md", "how-to/loss.md#nowhere", "nowhere.png")
    (project / "docs/how-to").mkdir(parents=True)
    configuration = (ROOT / "mkdocs.yml").read_text()
    (project / "mkdocs.yml").write_text(configuration[: configuration.index("nav:")])
    shutil.copytree(ROOT / "docs/assets", project / "docs/assets")
    (project / "docs/how-to/loss.md").write_text("# Loss\n")
    page = project / "docs/index.md"
    page.write_text("# Home\n\n[a link](how-to/loss.md#loss)\n")
    assert build(tmp_path / "site", project).returncode == 0
    page.write_text("# Home\n\n" + "".join(f"[a link]({link})\n" for link in links))
    done = build(tmp_path / "site", project)
    assert done.returncode == 1
    assert [link for link in links if link not in done.stderr] == []
