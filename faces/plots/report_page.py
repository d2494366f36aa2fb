"""The HTML page of the scoring report. It loads nothing, and runs no script but its own."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from faces.plots.report_script import SCRIPT

STYLE = """
:root { color-scheme: light; --line: #d9dde1; --muted: #5a6570; --blue: #0a6496 }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2329; max-width: 84rem; margin: 2rem auto; padding: 0 1.2rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin: 2.2rem 0 0.6rem }
a { color: var(--blue) } small { color: var(--muted) } .note { color: var(--muted); margin: 0.4rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0.6rem 0 }
dt { color: var(--muted) } dd { margin: 0; overflow-wrap: anywhere }
img { max-width: 100% } .pair { display: flex; flex-wrap: wrap; gap: 1rem } .pair img { width: min(100%, 36rem) }
.grid img { max-width: min(100%, 62rem) } .grid { margin-top: 1.5rem }
.video { display: grid; grid-template-columns: minmax(12rem, 22rem) 1fr; gap: 0.6rem 1.2rem; align-items: start }
.video h3 { grid-column: 1 / -1; font-size: 1rem; margin: 0.8rem 0 0; overflow-wrap: anywhere }
@media (max-width: 50rem) { .video { display: block } }
.scrolling { overflow-x: auto }
table { border-collapse: collapse } th, td { padding: 0.3rem 0.5rem; text-align: left; vertical-align: middle }
td { border-top: 1px solid var(--line) } th { color: var(--muted); font-weight: 600 }
.number { text-align: right; font-variant-numeric: tabular-nums }
th button { all: unset; cursor: pointer; white-space: nowrap } th button:hover { text-decoration: underline }
th button:focus-visible { outline: 2px solid var(--blue) }
th[aria-sort=ascending] button::after { content: " \\2191" }
th[aria-sort=descending] button::after { content: " \\2193" }
.controls, .pages { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; margin: 0.6rem 0 }
.controls label { display: flex; gap: 0.4rem; align-items: center } .pages { color: var(--muted); gap: 0.5rem }
input, select, .pages button { font: inherit; padding: 0.2rem 0.5rem; border: 1px solid #9aa4ad; border-radius: 4px }
.pages button { background: #f3f5f7; cursor: pointer } .pages button:disabled { opacity: 0.45; cursor: default }
input, select { background: white } select { max-width: 14rem }
#pictures { list-style: none; margin: 0; padding: 0; display: grid; gap: 0.8rem }
#pictures { grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)) }
#pictures li { border: 1px solid var(--line); border-radius: 6px; overflow: hidden; padding-bottom: 0.3rem }
#pictures img { width: 100%; height: 8.2rem; object-fit: contain; background: #eef0f2; display: block }
#pictures .name, #pictures small { display: block; padding: 0 0.5rem }
#pictures .name { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; direction: ltr }
td .name { display: inline-block; min-width: 12rem; max-width: 24rem; overflow-wrap: anywhere }
td bdi { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden }
td .name a, td .name span { display: flex; align-items: center }
td img { flex: none; height: 2.6rem; max-width: 4.5rem; margin-right: 0.6rem }
@media (max-width: 40rem) { dl { display: block } dd { margin-bottom: 0.5rem } }
.abstained { background: #fff0cc; border: 1px solid #ffb300; border-radius: 4px; padding: 0 0.35rem }
"""
BROWSER = """<h2>Pictures and faces</h2>{note}
<noscript><p>The pictures and faces are shown by a script, which this browser does not run. They are in pictures/ and
in predictions.parquet.</p></noscript>
<div class="controls">
<label>Source <input id="search" type="search" placeholder="part of its name"></label>
<label>Emotion <select id="emotion"><option value="">all</option></select></label>
<label>Abstained <select id="abstained"><option value="">all</option><option value="yes">abstained</option>
<option value="no">not abstained</option></select></label>
<label>Quality <select id="quality"><option value="">all</option><option value="yes">flagged</option>
<option value="no">not flagged</option></select></label>
</div>
<section id="pictures-part"><div class="pages" id="pictures-pages"></div><ul id="pictures"></ul></section>
<div class="pages" id="faces-pages"></div>
<div class="scrolling"><table><thead><tr id="heads"></tr></thead><tbody id="faces"></tbody></table></div>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page of sections, which are HTML; `title` is text."""
    policy = f"default-src 'none'; img-src data:; style-src '{_hashed(STYLE)}'; script-src '{_hashed(SCRIPT)}'"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{''.join(sections)}</body></html>\n"
    )


def browser(data: Mapping[str, object], notes: Sequence[str]) -> str:
    """A gallery of pictures and a table of faces that can be sorted and filtered; `data` is what SCRIPT reads."""
    shown = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    return BROWSER.format(note=shown, data=embedded_json(data), script=SCRIPT)


def embedded_json(data: object) -> str:
    """JSON in ASCII that no text in it can end or leave, inside a script element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of text; numbers are right-aligned."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="scrolling"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(pairs: Mapping[str, str]) -> str:
    """A list of names with their texts."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in pairs.items())}</dl>"


def image(content: bytes, alt: str, kind: str = "png") -> str:
    """An embedded image; `kind` is png or jpeg."""
    return f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


def link(address: str, content: str) -> str:
    """A link, in a tab of its own, around HTML."""
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{content}</a>'


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="number">{value:.2g}</td>'
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"


def _hashed(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
