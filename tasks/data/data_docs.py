"""Writes Great Expectations' Data Docs of a validation as one page that needs no network and has no time in it."""

import html
from pathlib import Path

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaSectionView

from tasks.common.files import replacing

WHOLE_TABLE = "Table-Level Expectations"
"""The name that Great Expectations gives to the section of expectations without a column."""
STYLES = """\
body { margin: 0 auto; max-width: 70rem; padding: 1rem 1.5rem; font: 15px/1.45 system-ui, sans-serif; color: #212529; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; } h5 { margin: 0; font-size: 1rem; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .35rem .6rem; border-top: 1px solid #dee2e6; text-align: left; vertical-align: top; }
th { border-top: 0; } td { overflow-wrap: anywhere; }
.ge-section { margin: 1.5rem 0; }
.ge-section table td:first-child, .ge-section table th:first-child { width: 3.5rem; }
.ge-section table td:last-child, .ge-section table th:last-child { width: 35%; }
.ge-section ul { margin: 0; padding-left: 1.2rem; }
.alert { padding: .5rem .8rem; border-radius: 4px; background: #e9ecef; }
.show-scrollbars { max-height: 20rem; overflow: auto; }
.badge { padding: .1em .4em; border-radius: 3px; background: #6c757d; color: #fff; font-size: 85%; }
.fas { font-style: normal; font-weight: bold; }
.fa-check-circle::before, .passed::before { content: "\\2713"; color: #1e7e34; }
.fa-times::before, .fa-exclamation-triangle::before, .failed::before { content: "\\2717"; color: #bd2130; }
tr:has(.fa-times), tr:has(.fa-exclamation-triangle), tr:has(.failed) { background: #fbeaea; }
#failed-only:checked ~ table tr:has(.passed),
#failed-only:checked ~ .ge-section tr:has(.fa-check-circle),
#failed-only:checked ~ .ge-section:not(:has(.fa-times, .fa-exclamation-triangle)) { display: none; }
"""
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data Docs: {name}</title>
<style>
{styles}</style>
</head>
<body>
<h1>Data Docs: {name}</h1>
<p>{passed} of {count} expectations passed.</p>
<input type="checkbox" id="failed-only"> <label for="failed-only">Show failed expectations only</label>
<table>
<tr><th></th><th>column</th><th>fails if</th><th>severity</th><th>failing rows</th></tr>
{rows}
</table>
{sections}
<p>Rendered by Great Expectations {version}.</p>
</body>
</html>
"""


def write_data_docs(result: ExpectationSuiteValidationResult, page: Path) -> Path:
    """Write the page of one validation: a table of all expectations, then Great Expectations' own section per column.

    Equal results give equal bytes: the library's page around its sections, which is left out, holds the time of the
    run, random ids, and links to styles and scripts on the web.
    """
    # The first section is an overview, with the time of the run.
    sections = ValidationResultsPageRenderer().render(result).sections[1:]
    numbers = {_column(section.to_json_dict()["section_name"]): number for number, section in enumerate(sections, 1)}
    content = PAGE.format(
        name=html.escape(result.suite_name),
        styles=STYLES,
        passed=sum(each.success for each in result.results),
        count=len(result.results),
        rows="\n".join(_row(each, numbers) for each in result.results),
        sections="\n".join(_section(section.to_json_dict(), number) for number, section in enumerate(sections, 1)),
        version=html.escape(str(result.meta["great_expectations_version"])),
    )
    with replacing(page) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return page


def _column(section_name: str) -> str:
    return "" if section_name == WHOLE_TABLE else section_name


def _row(result, numbers: dict[str, int]) -> str:
    """A row of the table of all expectations, with a link to the section of its column."""
    config = result.expectation_config
    column = config.kwargs.get("column", "")
    link = f'<a href="#section-{numbers[column]}">{html.escape(column) or "whole table"}</a>'
    severity = getattr(config.severity, "value", config.severity)
    count = result.result.get("unexpected_count", 0)
    state = "passed" if result.success else "failed"
    cells = [f'<span class="{state}" title="{state}"></span>', link]
    cells += [html.escape(str(each)) for each in (config.meta["reason"], severity, f"{count:,}" if count else "")]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _section(section: dict, number: int) -> str:
    for block in section["content_blocks"]:
        # Great Expectations escapes what stands in its sentences, and not what it observed.
        block["table"] = [[_escaped(cell) for cell in row] for row in block.get("table", [])]
    content = DefaultJinjaSectionView().render({"section": section, "section_loop": {"index": number}})
    # The templates leave the indentation of their own control structures.
    return "\n".join(line.strip() for line in content.splitlines() if line.strip())


def _escaped(cell: object) -> object:
    if isinstance(cell, list):
        return [_escaped(each) for each in cell]
    return html.escape(cell, quote=False) if isinstance(cell, str) else cell
