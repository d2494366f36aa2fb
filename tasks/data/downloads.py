"""Downloads a raw table, refuses a page about it, and says when DVC would not see that it changed."""

import re
from collections.abc import Mapping
from pathlib import Path

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tasks.common.file_kinds import HEAD_BYTES, LFS_POINTER, WEB_PAGE, kind_of, refusal
from tasks.common.files import InputError
from tasks.orchestration.artifacts import log

ATTEMPTS = 3
# Per request. An interrupted transfer is restarted, up to ATTEMPTS times in all.
RETRIES = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=("GET",))
TIMEOUT_SECONDS = (10, 60)
# Without it, a server may compress the file, and Content-Length is then not the size of the file. DVC sends the same.
HEADERS = {"Accept-Encoding": "identity"}
# A malformed host is found by urllib3, and requests lets its error through.
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError)
FORCE = "`dvc repro --force --single-item ingest`"

_FILES_OF_PAGES = {
    r"(https?://github\.com/[^/]+/[^/]+)/blob/(.+)": r"\1/raw/\2",
    r"(https?://gitlab\.com/.+/-)/blob/(.+)": r"\1/raw/\2",
    r"(https?://huggingface\.co/.+)/blob/(.+)": r"\1/resolve/\2",
    r"(https?://(?:www\.)?dropbox\.com/.+[?&]dl=)0(.*)": r"\g<1>1\2",
    r"https?://drive\.google\.com/file/d/([^/]+).*": r"https://drive.google.com/uc?export=download&id=\1",
}
"""The address of a file itself, by that of the page that shows it."""
_FILES_OF_POINTERS = {
    r"https?://raw\.githubusercontent\.com/(.+)": r"https://media.githubusercontent.com/media/\1",
}
"""The address of a file in Git LFS, by that of its pointer."""
_KAGGLE = re.compile(r"https?://(?:www\.)?kaggle\.com/")


def is_address(source: str) -> bool:
    """Whether a source is an http(s) address. Raises InputError for one of another protocol."""
    protocol, mark, rest = source.partition("://")
    if not mark or protocol.lower() in ("http", "https"):
        return bool(mark)
    remedy = f"name the path itself, {rest}" if protocol.lower() == "file" else "download the file and name its path"
    raise InputError(f"{source}: addresses are read over http and https, not {protocol}; {remedy}")


def download(address: str, out: Path) -> None:
    """Write what is at an http(s) address to `out`. Raises InputError if it cannot be fetched, or is a web page."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            final_address = _transfer(address, out)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.Timeout) as error:
            log(f"{address}: attempt {attempt} of {ATTEMPTS} was interrupted ({error})")
            reason = error
        except FAILURES as error:
            raise InputError(f"{address}: could not be downloaded ({error}); correct the address") from None
        else:
            _require_file(address, final_address, out)
            return
    raise InputError(f"{address}: could not be downloaded ({reason}); try again later")


def _transfer(address: str, out: Path) -> str:
    """Write the file, and return its address after redirects."""
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=RETRIES))
        session.mount("https://", HTTPAdapter(max_retries=RETRIES))
        with (
            session.get(address, stream=True, timeout=TIMEOUT_SECONDS, headers=HEADERS) as response,
            out.open("wb") as handle,
        ):
            response.raise_for_status()
            for block in response.iter_content(1 << 20):
                handle.write(block)
        for warning in warnings_of(_seen_by_dvc(session, address, response.headers), response.headers):
            log(f"{address}: {warning}")
        return response.url


def _seen_by_dvc(session: requests.Session, address: str, of_get: Mapping[str, str]) -> Mapping[str, str]:
    """The headers by which DVC sees a change: of HEAD, and those of GET too if HEAD fails or names no size."""
    try:
        with session.head(address, allow_redirects=True, timeout=TIMEOUT_SECONDS, headers=HEADERS) as answer:
            of_head = answer.headers if answer.ok else {}
    except FAILURES:
        of_head = {}
    return of_head if "Content-Length" in of_head else {**of_head, **of_get}


def warnings_of(seen_by_dvc: Mapping[str, str], of_get: Mapping[str, str]) -> list[str]:
    """Which changes or errors go unnoticed at an address with such headers, and the remedy."""
    seen = {name.title() for name, value in seen_by_dvc.items() if value}
    found = []
    if not seen & {"Etag", "Content-Md5", "Last-Modified", "Digest"}:
        has_size = "Content-Length" in seen and not {"Content-Encoding"} & seen
        unseen = "a change that keeps its size" if has_size else "any change"
        found.append(
            f"the server sends neither ETag nor Last-Modified, so DVC does not see {unseen}; after one, run {FORCE}, "
            "or download the file yourself and name it"
        )
    names = {name.title() for name in of_get}
    if not names & {"Content-Length", "Transfer-Encoding"}:
        found.append("the server sends no size, so a transfer that was cut short is not noticed; compare the rows")
    return found


def _require_file(address: str, final_address: str, out: Path) -> None:
    """Raise InputError for an empty answer, and for a page in place of the file."""
    with out.open("rb") as handle:
        first = handle.read(HEAD_BYTES)
    if not first:
        raise InputError(f"{address}: the server's answer is empty; correct the address")
    if (kind := kind_of(first)) in (WEB_PAGE, LFS_POINTER):
        redirected = f", redirected to {final_address}," if final_address != address else ""
        direct = _address_of_file(address, kind == LFS_POINTER)
        raise InputError(f"{address}:{redirected} {refusal(first)}{f'; or {direct}' if direct else ''}")


def _address_of_file(address: str, is_pointer: bool) -> str:
    """How to name the file itself, by the address of a page or a pointer about it; empty if that is not known."""
    if _KAGGLE.match(address):
        return (
            "run `kaggle datasets download OWNER/NAME` (or `competitions download`), which logs in, and name the file"
        )
    for page, file in (_FILES_OF_PAGES | (_FILES_OF_POINTERS if is_pointer else {})).items():
        if re.fullmatch(page, address):
            return f"name {re.sub(page, file, address)}"
    return ""
