"""The scoring report is one safe, bounded page: any name is text, and what is left out is said."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

import params
import tasks.plots.report_data
from faces.plots.report_page import embedded_json, page
from faces.scoring.drift import MIN_FACES, Reference
from tasks.common.files import text_of
from tasks.plots.annotated_images import draw_pictures
from tasks.plots.scoring_report import write_report
from tasks.scoring.drift_check import watch_drift
from tests.plots.scored_folder import CLASSES, SETTINGS, write_scored
from tests.scoring.approved import models_with

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "img", "input", "br"}
HOSTILE = [
    "a.png",
    "</script><script>alert(2)</script>.png",
    "<script>alert(1)<!--.png",
    "\"><img src=x onerror=alert('1')>.png",
    "'; alert(1); '.png",
    "a#b?c%20d&amp;.png",
    "new\nline\r\u2028.png",
    "\u202egnp.exe.png",
    "\u05e9\u05dc\u05d5\u05dd.png",
    "${alert(1)}`{note}.png",
    b"caf\xe9.png".decode("utf-8", "surrogateescape"),
    "l" + "ong" * 80 + ".png",
]
REFERENCE = Reference({"anger": 300, "sad": 100}, {"confidence": np.linspace(0.34, 1, 41).tolist()})


class Page(HTMLParser):
    """The elements of a page, with their attributes and texts. Fails if they are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data = ""
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, text: str) -> None:
        if self._open and self._open[-1][1].get("id") == "data":
            self.data += text
        elif self._open and self._open[-1][0] not in ("script", "style"):
            self.texts.append(text)


def report(out: Path, left_out: str = "", reference: Reference | None = None) -> Page:
    return Page(write_report(out, models_with(reference), SETTINGS, left_out).read_text(encoding="utf-8"))


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A scored folder of images with hostile names, drawn; a skipped one for each of them, too."""
    folder = tmp_path / "in"
    folder.mkdir()
    image = np.random.default_rng(2).integers(0, 256, (120, 160, 3), np.uint8)
    for name in HOSTILE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
    sources = [text_of(str(folder / name)) for name in HOSTILE]
    skipped = [(source, place % 2, f"cannot be read ({source})") for place, source in enumerate(sources)]
    out = write_scored(tmp_path / "<b>out", sources, skipped=skipped)
    draw_pictures(out, SETTINGS)
    return out


def test_names_of_any_kind_add_no_element_and_are_shown(hostile: Path) -> None:
    found = report(hostile, left_out="1 hidden (<i>.git</i>)")
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "dt", "dd", "div", "img"}
    allowed |= {"noscript", "label", "input", "select", "option", "section", "ul", "table", "thead", "tbody", "tr"}
    allowed |= {"th", "td", "script", "details", "summary"}
    assert {tag for tag, _ in found.elements} <= allowed
    assert sum(tag == "script" for tag, _ in found.elements) == 2
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    images = [attributes["src"] or "" for tag, attributes in found.elements if tag == "img"]
    assert all(address.startswith("data:image/png;base64,") for address in images)
    cells = "".join(found.texts)
    assert "<script>alert(1)<!--.png" in cells
    assert "1 hidden (<i>.git</i>)" in cells
    assert "\u202e" not in cells + found.data
    data = json.loads(found.data)
    names = [source["name"] for source in data["sources"]]
    assert names[:6] == HOSTILE[:6]
    assert names[6:8] == ["new\\nline\\r\\u2028.png", "\\u202egnp.exe.png"]
    assert names[10] == "caf\\xe9.png"
    assert len(names[11]) == tasks.plots.report_data.MAX_NAME
    assert names[11].startswith("long")
    assert names[11].endswith("ong.png")


def test_every_picture_opens_its_overlay(hostile: Path) -> None:
    data = json.loads(report(hostile).data)
    addresses = [source["picture"] for source in data["sources"]]
    assert len(set(addresses)) == len(HOSTILE)
    for place, address in enumerate(addresses, start=1):
        assert unquote(address).startswith(f"pictures/{place:04}-")
        assert (hostile / unquote(address)).is_file()
    assert all(len(source["thumbnail"]) > 500 for source in data["sources"])


def test_nothing_is_loaded_and_only_the_script_of_the_page_may_run(hostile: Path) -> None:
    found = report(hostile)
    (policy,) = [attributes["content"] or "" for tag, attributes in found.elements if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not [1 for _, attributes in found.elements if (attributes.get("src") or "").startswith(("http", "/", "."))]
    assert not [1 for tag, _ in found.elements if tag == "link"]


def test_json_in_a_page_cannot_end_its_element() -> None:
    text = embedded_json(["</script><!-- &amp; \u2028\u202e é"])
    assert not set(text) & set("<>&\u2028é")
    assert json.loads(text) == ["</script><!-- &amp; \u2028\u202e é"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded_json([float("nan")])
    assert "<title>&lt;b&gt;</title>" in page("<b>", [])


def test_the_classes_and_the_abstained_faces_are_shown(tmp_path: Path) -> None:
    confidence = np.array([0.9, 0.35, 0.38, 0.8], np.float32)
    columns: dict[str, Any] = {
        "confidence": confidence,
        "abstained": confidence < 0.4,
        "blurred": [True, False, False, False],
    }
    out = write_scored(tmp_path / "out", [f"{number}.png" for number in range(4)], **columns)
    found = report(out)
    text = " ".join(found.texts)
    assert f"Emotions asked for {', '.join(models_with(None).classes)}" in text
    assert "2 faces (50.0%), less confident than score.confidence_threshold = 0.4" in text
    data = json.loads(found.data)
    assert data["classes"] == CLASSES
    assert [face["abstained"] for face in data["faces"]] == [False, True, True, False]
    assert [face["quality"] for face in data["faces"]] == ["blurred", "", "", ""]
    assert all(sum(face["probabilities"]) == pytest.approx(1, abs=0.002) for face in data["faces"])
    assert not any("picture" in source for source in data["sources"])


def test_a_large_batch_is_bounded_and_the_page_says_where_the_rest_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MAX_FACES", 40), ("MAX_THUMBNAILS", 1), ("MAX_SKIPPED", 5)):
        monkeypatch.setattr(tasks.plots.report_data, name, value)
    Image.new("RGB", (160, 120), (200, 90, 10)).save(tmp_path / "0.png")
    Image.new("RGB", (160, 120), (20, 190, 10)).save(tmp_path / "1.png")
    sources = [str(tmp_path / f"{number}.png") for number in range(100)]
    out = write_scored(tmp_path / "out", sources, skipped=[(f"{n}.txt", 0, f"has {n} values") for n in range(2000)])
    draw_pictures(out, SETTINGS)
    found = report(out)
    data, text = json.loads(found.data), " ".join(found.texts)
    assert len(data["faces"]) == len(data["sources"]) == 40
    assert "Faces: 100. Images and table rows without a face: 2,000." in text
    assert "The first 40 of 100 faces are listed here; predictions.parquet has all of them" in text
    assert "The first 1 of 2 pictures have a thumbnail; all can be opened." in text
    assert [bool(source.get("thumbnail")) for source in data["sources"]] == [True] + [False] * 39
    assert "The first 5 of 2,000; skipped.parquet has all of them." in text
    assert "4.txt" in found.texts
    assert "5.txt" not in found.texts
    assert "has N values" in found.texts


def test_a_hundred_thousand_faces_give_a_page_of_few_megabytes(tmp_path: Path) -> None:
    out = write_scored(tmp_path / "out", [f"folder/{number}.png" for number in range(100_000)])
    found = report(out)
    assert (out / "report.html").stat().st_size < 4_000_000
    assert len(json.loads(found.data)["faces"]) == tasks.plots.report_data.MAX_FACES == 10_000
    assert "The first 10,000 of 100,000 faces are listed here" in " ".join(found.texts)


@pytest.mark.parametrize("count", [1, MIN_FACES - 1, MIN_FACES, 200])
def test_drift_of_few_faces_is_not_judged_and_the_report_says_so(count: int, tmp_path: Path) -> None:
    out = write_scored(tmp_path / "out", [f"{number}.png" for number in range(count)], emotion="sad")
    drift = params.Drift(psi_threshold=0.25, p_value=0.001)
    watch_drift(out, models_with(REFERENCE), drift, "v1")
    texts = report(out, reference=REFERENCE).texts
    if count < MIN_FACES:
        noun = "face is" if count == 1 else "faces are"
        assert f"Drift is not judged: {count} {noun} fewer than 30." in texts
        assert "not judged" in texts
        assert "DRIFTED" not in texts
    else:
        assert "Drift of emotion" in " ".join(texts)
        assert "DRIFTED" in texts


def test_sources_are_named_within_the_folder_they_share(tmp_path: Path) -> None:
    for sources, folder, names in (
        (["in/a/1.png", "in/b/2.png"], "in/", ["a/1.png", "b/2.png"]),
        (["in/1.png"], "in/", ["1.png"]),
        (["1.png", "2.png"], "", ["1.png", "2.png"]),
        (["in/a.png", "in/ab.png"], "in/", ["a.png", "ab.png"]),
        (["s3://photos/1.png", "s3://faces/1.png"], "s3://", ["photos/1.png", "faces/1.png"]),
    ):
        out = write_scored(tmp_path / str(len(list(tmp_path.iterdir()))), sources)
        found = report(out)
        assert [source["name"] for source in json.loads(found.data)["sources"]] == names
        assert any(text == f"All sources are in {folder}" for text in found.texts) == bool(folder)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
def test_a_browser_sorts_filters_and_opens_an_overlay(hostile: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    write_report(hostile, models_with(None), SETTINGS)
    messages: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.on("console", lambda message: messages.append(message.text))
        tab.on("pageerror", lambda error: messages.append(str(error)))
        tab.on("dialog", lambda dialog: messages.append(dialog.message))
        tab.goto((hostile / "report.html").as_uri())
        shown = tab.locator("#faces td:first-child bdi")
        assert shown.all_inner_texts()[:6] == HOSTILE[:6]
        assert tab.locator("#faces script, #pictures script, #faces td img[onerror]").count() == 0
        assert tab.locator("#pictures img").evaluate_all("all => all.every(one => one.naturalWidth > 100)")
        assert tab.locator("#pictures-pages").inner_text() == f"{len(HOSTILE)} pictures"
        tab.locator("#heads button", has_text="confidence").click()
        values = [int(text.rstrip("%")) for text in tab.locator("#faces td:nth-child(4)").all_inner_texts()]
        assert values == sorted(values, reverse=True)
        assert tab.locator("th[aria-sort=descending]").inner_text() == "confidence"
        tab.locator("#heads button", has_text="confidence").click()
        values = [int(text.rstrip("%")) for text in tab.locator("#faces td:nth-child(4)").all_inner_texts()]
        assert values == sorted(values)
        tab.locator("#search").fill("ALERT(1); ")
        assert shown.all_inner_texts() == ["'; alert(1); '.png"]
        assert tab.locator("#pictures li").count() == 1
        with tab.expect_popup() as popup:
            tab.locator("#pictures a").click()
        popup.value.wait_for_load_state()
        assert popup.value.evaluate("document.images[0].naturalWidth") == 640
        tab.locator("#search").fill("no such name")
        assert tab.locator("#faces-pages").inner_text() == "no faces"
        browser.close()
    assert messages == []
