"""Ids as every record and request gets them."""

import uuid

from trivet.ids import SystemIds, is_uuid

MANY = 2000


def test_ids_are_random_uuids_of_version_4_spelled_as_everywhere() -> None:
    ids = SystemIds()
    texts = [ids.uuid() for _ in range(MANY)]
    read = [uuid.UUID(text) for text in texts]
    assert all(is_uuid(text) and str(one) == text for text, one in zip(texts, read, strict=True))
    assert {(one.version, one.variant) for one in read} == {(4, uuid.RFC_4122)}
    assert all(uuid.UUID(hex=ids.hex()).version == 4 and len(ids.hex()) == 32 for _ in range(MANY))


def test_every_digit_but_the_version_is_left_to_chance() -> None:
    ids = SystemIds()
    seen = [set(column) for column in zip(*(ids.uuid().replace("-", "") for _ in range(MANY)), strict=True)]
    assert [len(digits) for digits in seen] == [*[16] * 12, 1, 16, 16, 16, 4, *[16] * 15]
