"""Words of the network service: the types of what a request may say, with their bounds."""

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00]*\Z")]
LongText = Annotated[str, msgspec.Meta(max_length=4095, pattern=r"^[^\x00]*\Z")]
ZoneHints = Annotated[tuple[Text, ...], msgspec.Meta(max_length=10)]
Number = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Id = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z", description="a UUID"),
]
