"""What may be attached: told by content, refused by name of the rule."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cases.desk.incoming import IncomingFile
from services.cases.domain.attachments import check_caption, check_content, check_name
from shared.contracts.errors import Rejected
from shared.files.contents import ALL, JPEG, PNG
from shared.privacy import DataKey, Unreadable
from shared.privacy.sealing import PART
from tests.support import media
from tests.support.media import GOOD, Bytes


def _rule(data: bytes) -> str:
    with pytest.raises(Rejected) as refused:
        check_content(Bytes(data))
    violation = refused.value.violations[0]
    assert violation.message_vi
    assert violation.message_en
    return violation.rule


def _name_rule(name: str) -> str:
    with pytest.raises(Rejected) as refused:
        check_name(name, PNG)
    return refused.value.violations[0].rule


@pytest.mark.parametrize("kind", ALL)
def test_every_type_is_told_by_its_content_and_its_name_fits(kind: str) -> None:
    name, data = GOOD[kind]
    found = check_content(Bytes(data))
    assert found.type == kind
    assert check_name(name, found) == name


@pytest.mark.parametrize("kind", ALL)
def test_a_file_that_was_cut_on_its_way_is_refused(kind: str) -> None:
    data = GOOD[kind][1]
    cut = data[: len(data) * 2 // 3 - 5] if kind != "audio/mpeg" else data[:100]
    assert _rule(cut) == "truncated"


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><script>alert(1)</script>",
        b"PK\x03\x04" + bytes(100),
        b"MZ" + bytes(100),
        b"GIF89a" + bytes(50),
        b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
        b"\x1aE\xdf\xa3" + bytes(40),
        media.m4a(b"vide"),
    ],
    ids=["page", "archive", "program", "gif", "svg", "webm", "video"],
)
def test_other_types_are_refused_whatever_they_are_called(data: bytes) -> None:
    assert _rule(data) == "type-not-allowed"


def test_an_empty_file_is_refused() -> None:
    assert _rule(b"") == "empty"


@pytest.mark.parametrize(
    "data",
    [
        media.jpeg(b"<HTML><script>alert(1)</script>"),
        media.jpeg() + b"<script>alert(1)</script>",
        media.jpeg() + b"PK\x05\x06" + bytes(18),
        media.pdf()[:9] + b"<html><body>" + media.pdf()[9:],
        media.webp()[:-9] + b"<svg/" + bytes(4),
    ],
    ids=["comment", "behind", "archive", "pdf", "webp"],
)
def test_a_file_that_is_a_page_or_an_archive_too_is_refused(data: bytes) -> None:
    assert _rule(data) == "disguised"


def test_what_phones_append_to_a_photograph_is_no_fault() -> None:
    assert check_content(Bytes(media.jpeg() + b"SEFH" + bytes(200) + b"SEFT")) is JPEG


def test_nothing_stands_behind_the_end_of_a_png() -> None:
    assert _rule(media.png() + b"more") == "truncated"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(GOOD)), st.integers(0, 40))
def test_no_bytes_make_the_check_fail_otherwise_than_by_a_refusal(noise: bytes, kind: str, kept: int) -> None:
    for data in (noise, GOOD[kind][1][:kept] + noise):
        with suppress(Rejected):
            check_content(Bytes(data))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../../etc/passwd.png", "name-unsafe"),
        ("a\\b.png", "name-unsafe"),
        ("a\x00b.png", "name-unsafe"),
        ("a\r\nSet-Cookie: x.png", "name-unsafe"),
        ("gpj.\u202egnp.png", "name-unsafe"),
        ('a".png', "name-unsafe"),
        ("<script>.png", "name-unsafe"),
        ("x" * 201 + ".png", "name-too-long"),
        ("anh.jpg", "extension-mismatch"),
        ("anh.png.html", "extension-mismatch"),
        ("anh.exe", "extension-mismatch"),
    ],
)
def test_hostile_names_are_refused_by_rule(name: str, rule: str) -> None:
    assert _name_rule(name) == rule


def test_a_name_without_an_ending_gets_the_right_one_and_dots_do_not_hide_it() -> None:
    assert check_name("ảnh", PNG) == "ảnh.png"
    assert check_name("", PNG) == "tep.png"
    assert check_name("..hidden.png", PNG) == "hidden.png"
    assert check_name("A\u0309nh.png", PNG) == "Ảnh.png", "NFC"


def test_a_caption_has_a_length() -> None:
    with pytest.raises(Rejected):
        check_caption("x" * 301)


@pytest.mark.parametrize("size", [1, PART, PART * 2, PART * 5 + 12345])
def test_a_file_that_arrives_is_sealed_part_by_part_and_reads_as_one(size: int) -> None:
    data, key = os.urandom(size), DataKey.new("case/1")
    with IncomingFile(key, "file-1") as incoming:
        for start in range(0, size, 70_001):
            incoming.add(data[start : start + 70_001])
        incoming.end()
        assert incoming.size == size
        for start, length in ((0, 64), (PART - 5, PART + 10), (size - 3, 100), (size, 1)):
            assert incoming.read(max(start, 0), length) == data[max(start, 0) : start + length]
        sealed = list(incoming.sealed())
    opened = [key.open_part("file-1", n, part, last=n == len(sealed) - 1) for n, part in enumerate(sealed)]
    assert b"".join(opened) == data
    assert [len(part) for part in opened[:-1]] == [PART] * (len(opened) - 1)


def test_a_file_on_its_way_in_is_nowhere_in_clear_and_gone_when_it_is_not_wanted() -> None:
    with IncomingFile(DataKey.new("case/1"), "file-1") as incoming:
        incoming.add(b"clear" * PART)
        incoming._kept.seek(0)
        assert b"clear" not in incoming._kept.read()
        incoming.drop()
        incoming.add(b"other")
        incoming.end()
        assert (incoming.size, incoming.read(0, 9), len(list(incoming.sealed()))) == (5, b"other", 1)


def test_a_part_opens_only_at_its_place() -> None:
    key = DataKey.new("case/1")
    first, second = key.seal_part("f", 0, b"a", last=False), key.seal_part("f", 1, b"b", last=True)
    assert key.open_part("f", 0, first, last=False) == b"a"
    for stream, number, part, last in (
        ("f", 0, second, True),  # exchanged
        ("f", 1, first, False),
        ("f", 0, first, True),  # cut off behind the first
        ("g", 1, second, True),  # of another file
        ("f", 1, second[:-1], True),
        ("f", 1, b"", True),
    ):
        with pytest.raises(Unreadable):
            key.open_part(stream, number, part, last=last)
    with pytest.raises(Unreadable):
        DataKey("case/2", key.secret).open_part("f", 0, first, last=False)
