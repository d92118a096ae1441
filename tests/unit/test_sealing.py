"""What is sealed opens only with its own key, and says nothing otherwise."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.privacy import DataKey, PlatformKey, Unreadable, seal_to_platform
from shared.privacy.sealing import seal_together


@given(st.binary(max_size=500))
def test_what_is_sealed_under_a_key_opens_under_it(plain: bytes) -> None:
    key = DataKey.new("child/1")
    box = key.seal(plain)
    assert key.open(box) == plain
    # Shorter ones may stand in random bytes by chance.
    assert len(plain) < 6 or plain not in base64.b64decode(box.text)


def test_a_box_does_not_open_under_another_key_or_another_name() -> None:
    key = DataKey.new("child/1")
    box = key.seal(b"x")
    with pytest.raises(Unreadable):
        DataKey.new("child/1").open(box)
    with pytest.raises(Unreadable):
        key.open(box.model_copy(update={"kid": "child/2"}))


def test_a_wrapped_key_comes_back_only_under_its_master_and_name() -> None:
    master = os.urandom(32)
    key = DataKey.new("child/1")
    wrapped = key.wrap(master)
    assert DataKey.unwrap("child/1", wrapped, master) == key
    for kid, other in (("child/2", master), ("child/1", os.urandom(32))):
        with pytest.raises(Unreadable):
            DataKey.unwrap(kid, wrapped, other)


def test_an_agency_seals_with_the_public_key_alone() -> None:
    platform = PlatformKey(os.urandom(32))
    box = seal_to_platform("Nguyễn Văn A".encode(), platform.public)
    assert platform.open(box).decode() == "Nguyễn Văn A"
    with pytest.raises(Unreadable):
        PlatformKey(os.urandom(32)).open(box)
    with pytest.raises(Unreadable):
        platform.open(box.model_copy(update={"text": "AAAA" + box.text[4:]}))


def test_what_is_sealed_together_agrees_on_one_key_and_each_box_opens_by_itself() -> None:
    platform = PlatformKey(os.urandom(32))
    plains = ["Nguyễn Văn A".encode(), b"", "Nguyễn Văn A".encode()]
    boxes = seal_together(plains, platform.public)
    assert len({box.ephemeral for box in boxes}) == 1
    assert len({box.text for box in boxes}) == len(boxes), "the same content looks different each time"
    assert [platform.open(box) for box in reversed(boxes)] == plains
    other = seal_to_platform(b"x", platform.public)
    assert other.ephemeral != boxes[0].ephemeral
    with pytest.raises(Unreadable):
        platform.open(boxes[0].model_copy(update={"ephemeral": other.ephemeral}))


def test_a_key_never_shows_itself() -> None:
    key = DataKey.new("child/1")
    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)
