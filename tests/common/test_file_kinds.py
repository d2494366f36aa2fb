"""A file's kind follows from its first bytes, and a kind that is not read is named with a remedy."""

import pickle
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tasks.common.file_kinds import (
    NOT_READ,
    SIGNATURES,
    WEB_PAGE,
    is_packed,
    is_picture,
    kind_of,
    refusal,
    why_no_table,
)
from tasks.readers.images import FORMATS
from tests.readers.bombs import GREY, encoded


def test_every_kind_that_is_not_read_has_a_signature_or_a_name_in_a_zip() -> None:
    named = {kind for _, _, kind in SIGNATURES}
    documents = {name for name in NOT_READ if "document" in name.lower() or "archive (npz)" in name}
    assert set(NOT_READ) - named - documents == {WEB_PAGE, "JSON"}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_that_is_decoded_is_a_picture(kind: str) -> None:
    assert is_picture(encoded(GREY, kind))
    assert refusal(encoded(GREY, kind)) is None


@pytest.mark.parametrize(
    "text", [b"emotion,pixels\n", b"", b"<5 years,pixels\n", b"\xef\xbb\xbfImage\n", b"[a],pixels\n"]
)
def test_text_of_a_table_is_of_no_kind(text: bytes) -> None:
    assert kind_of(text) is None
    assert why_no_table(text) is None


def test_a_web_page_is_named_with_its_title() -> None:
    for start in (b"<!DOCTYPE html>", b"\n <HTML lang=en>", b'<?xml version="1.0"?>\n<!-- made by hand -->\n<html>'):
        reason = refusal(start + b"<head><title>\n Sign in &amp;\n go </title>")
        assert reason is not None
        assert reason.startswith('is a web page ("Sign in & go"), not a table or a picture; ')


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_binary_protocol_are_named(protocol: int) -> None:
    assert kind_of(pickle.dumps([1], protocol)) == "a Python pickle"


def test_arrays_are_named_and_archives_are_not_refused() -> None:
    array, arrays = BytesIO(), BytesIO()
    np.save(array, np.zeros(3))
    np.savez(arrays, a=np.zeros(3))
    assert kind_of(array.getvalue()) == "a NumPy array (npy)"
    assert refusal(b"", ["a.npy"]) == "is a NumPy archive (npz), not a table or a picture; save the data as CSV"
    assert is_packed(arrays.getvalue())
    assert refusal(arrays.getvalue()) is None


def test_a_picture_where_a_table_was_expected_is_named() -> None:
    content = BytesIO()
    Image.new("L", (20, 20)).save(content, "PNG")
    assert str(why_no_table(content.getvalue())).startswith("is a PNG picture, not a table; name a CSV, or a folder")
