"""What this process remembers of images: how each is shown, encoded once per revision.

Lists mostly hold images that did not change. An entry never gets old: a change makes another revision, which is another
entry. Only what is committed may be asked of it: if a transaction fails, the next writer makes another image of the
same revision.
"""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from trivet.domain.images.images import Image

_KEPT_MAX = 4096
_EACH_MAX = 8192
"""Bytes of one that is worth remembering: an image may have megabytes of properties."""


class ShownImages:
    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], msgspec.Raw] = OrderedDict()

    def shown(self, image: Image, encoded: Callable[[Image], bytes]) -> msgspec.Raw:
        key = (image.id, image.revision)
        found = self._kept.get(key)
        if found is None:
            text = encoded(image)
            found = msgspec.Raw(text)
            if len(text) <= _EACH_MAX:
                self._kept[key] = found
            if len(self._kept) > _KEPT_MAX:
                self._kept.popitem(last=False)
        return found
