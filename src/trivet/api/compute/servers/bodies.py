"""What clients send about servers: the shapes, and the rules that a shape alone cannot say.

Nova takes numbers and truths as strings, too ("2", "true"); bodies here are read that way.
"""

import binascii
import re
import unicodedata
from base64 import b64decode
from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from trivet.api.kit.bodies import Body, Name, Since, Text, Until, Uuid
from trivet.errors import Forbidden, Invalid

DiskConfig = Literal["AUTO", "MANUAL"]
MetadataKey = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9\-_:. ]{1,255}\Z")]
Metadata = dict[MetadataKey, Text]
TAG_PATTERN = r"^[^,/]*\Z"
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=TAG_PATTERN)]
Tags = Annotated[list[Tag], msgspec.Meta(max_length=50)]
Hostname = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-._]*\Z")]
HostName = Hostname
Certificates = Annotated[list[Name], msgspec.Meta(min_length=1, max_length=50)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Password = Annotated[str, msgspec.Meta(max_length=1024)]
UserData = Annotated[str, msgspec.Meta(max_length=65535)]

FILES_MAX = 5
FILE_BYTES_MAX = 10 * 1024
PATH_MAX = 255

_OLD_HOSTNAME = re.compile(r"(?!-)[a-zA-Z0-9-]{2,63}(?<!-)")
_FQDN_SINCE = 2094


class Nic(Body, frozen=True, kw_only=True):
    uuid: str | UnsetType = UNSET
    port: Uuid | None = None
    fixed_ip: str | None = None
    tag: Tag | UnsetType = UNSET


class File(Body, frozen=True, kw_only=True):
    path: str = ""
    contents: str = ""


class GroupName(Body, frozen=True, kw_only=True):
    name: Name = "default"


class BlockDevice(Body, frozen=True, kw_only=True):
    """A block device mapping of either generation; the field that holds it tells which one applies."""

    source_type: Literal["volume", "image", "snapshot", "blank"] | UnsetType = UNSET
    destination_type: Literal["local", "volume"] | UnsetType = UNSET
    uuid: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9._-]*\Z")] | UnsetType = UNSET
    image_id: Uuid | UnsetType = UNSET
    volume_id: Uuid | UnsetType = UNSET
    snapshot_id: Uuid | UnsetType = UNSET
    volume_size: int | UnsetType = UNSET
    volume_type: Text | UnsetType | None = UNSET
    virtual_name: Text | UnsetType = UNSET
    device_name: Name | UnsetType = UNSET
    device_type: Text | UnsetType = UNSET
    disk_bus: Text | UnsetType = UNSET
    guest_format: Text | UnsetType = UNSET
    boot_index: int | UnsetType | None = UNSET
    delete_on_termination: bool | UnsetType = UNSET
    no_device: Any = UNSET
    connection_info: str | UnsetType = UNSET
    tag: Tag | UnsetType = UNSET


class NewServer(Body, frozen=True, kw_only=True):
    name: Name
    flavorRef: str | int  # noqa: N815 - as it is spelled on the wire
    imageRef: str = ""  # noqa: N815
    adminPass: Password | UnsetType = UNSET  # noqa: N815
    metadata: Metadata = {}
    networks: list[Nic] | Literal["auto", "none"] | UnsetType = UNSET
    disk_config: DiskConfig = field(default="MANUAL", name="OS-DCF:diskConfig")
    accessIPv4: str | UnsetType = UNSET  # noqa: N815
    accessIPv6: str | UnsetType = UNSET  # noqa: N815
    personality: Annotated[list[File] | UnsetType, Until("2.56")] = UNSET
    availability_zone: Name | None = None
    block_device_mapping: list[BlockDevice] = []
    block_device_mapping_v2: list[BlockDevice] = []
    config_drive: bool | None = None
    key_name: Name | None = None
    min_count: Count = 1
    max_count: Count | UnsetType = UNSET
    return_reservation_id: bool = False
    security_groups: list[GroupName] | UnsetType = UNSET
    user_data: UserData | None = None
    description: Annotated[Text | UnsetType | None, Since("2.19")] = UNSET
    tags: Annotated[Tags | UnsetType, Since("2.52")] = UNSET
    trusted_image_certificates: Annotated[Certificates | UnsetType | None, Since("2.63")] = UNSET
    host: Annotated[HostName | UnsetType, Since("2.74")] = UNSET
    hypervisor_hostname: Annotated[HostName | UnsetType, Since("2.74")] = UNSET
    hostname: Annotated[Hostname | UnsetType, Since("2.90")] = UNSET


class CreateBody(Body, frozen=True, kw_only=True):
    server: NewServer
    hints: dict[str, Any] | UnsetType = field(default=UNSET, name="os:scheduler_hints")
    old_hints: dict[str, Any] | UnsetType = field(default=UNSET, name="OS-SCH-HNT:scheduler_hints")


class ServerChanges(Body, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET
    disk_config: DiskConfig | UnsetType = field(default=UNSET, name="OS-DCF:diskConfig")
    accessIPv4: str | UnsetType = UNSET  # noqa: N815
    accessIPv6: str | UnsetType = UNSET  # noqa: N815
    description: Annotated[Text | UnsetType | None, Since("2.19")] = UNSET
    hostname: Annotated[Hostname | UnsetType, Since("2.90")] = UNSET
    pinned_availability_zone: Annotated[Name | UnsetType | None, Since("2.104")] = UNSET


class UpdateBody(Body, frozen=True, kw_only=True):
    server: ServerChanges


class Rebuild(Body, frozen=True, kw_only=True):
    imageRef: Uuid  # noqa: N815
    name: Name | UnsetType = UNSET
    adminPass: Password | UnsetType = UNSET  # noqa: N815
    metadata: Metadata | UnsetType = UNSET
    preserve_ephemeral: bool = False
    disk_config: DiskConfig | UnsetType = field(default=UNSET, name="OS-DCF:diskConfig")
    accessIPv4: str | UnsetType = UNSET  # noqa: N815
    accessIPv6: str | UnsetType = UNSET  # noqa: N815
    personality: Annotated[list[File] | UnsetType, Until("2.56")] = UNSET
    description: Annotated[Text | UnsetType | None, Since("2.19")] = UNSET
    key_name: Annotated[Name | UnsetType | None, Since("2.54")] = UNSET
    user_data: Annotated[UserData | UnsetType | None, Since("2.57")] = UNSET
    trusted_image_certificates: Annotated[Certificates | UnsetType | None, Since("2.63")] = UNSET
    hostname: Annotated[Hostname | UnsetType, Since("2.90")] = UNSET


class RebuildBody(Body, frozen=True, kw_only=True):
    rebuild: Rebuild


def check_name(name: str, what: str = "name") -> str:
    """Printable, and no space at either end."""
    if name != name.strip() or any(unicodedata.category(letter)[0] == "C" for letter in name):
        raise Invalid(
            "body.invalid",
            f"Invalid input for field/attribute {what}. An invalid 'name' value was provided. The name must be: "
            "printable characters. Can not start or end with whitespace.",
        )
    return name


def check_hostname(hostname: str, version: int) -> str:
    if version < _FQDN_SINCE and not _OLD_HOSTNAME.fullmatch(hostname):
        raise Invalid("body.invalid", f"Invalid input for field/attribute hostname. Value: {hostname[:64]!r}.")
    return hostname


def check_base64(text: str, what: str) -> str:
    try:
        b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("body.invalid", f"Invalid input for field/attribute {what}: it is not base64.") from error
    return text


def ipv4(text: str | UnsetType) -> str | None:
    if text is UNSET or not text:
        return None
    try:
        return str(IPv4Address(text))
    except (AddressValueError, ValueError) as error:
        raise Invalid("body.invalid", f"Invalid input for field/attribute accessIPv4. Value: {text[:64]!r}.") from error


def ipv6(text: str | UnsetType) -> str | None:
    if text is UNSET or not text:
        return None
    try:
        return str(IPv6Address(text))
    except (AddressValueError, ValueError) as error:
        raise Invalid("body.invalid", f"Invalid input for field/attribute accessIPv6. Value: {text[:64]!r}.") from error


def files_of(personality: Sequence[File] | UnsetType) -> dict[str, str]:
    """Path -> base64, within the limits that nova has."""
    if personality is UNSET:
        return {}
    if len(personality) > FILES_MAX:
        raise Forbidden("personality.too_many", f"Quota exceeded, too many injected files: at most {FILES_MAX}.")
    found: dict[str, str] = {}
    for file in personality:
        check_base64(file.contents, "personality")
        if len(file.path) > PATH_MAX or len(b64decode(file.contents)) > FILE_BYTES_MAX:
            raise Forbidden("personality.too_large", f"Personality file {file.path[:64]!r} is too large.")
        if file.path in found:
            raise Invalid("body.invalid", f"Duplicate personality path {file.path[:64]!r}.")
        found[file.path] = file.contents
    return found


def metadata_within(metadata: Mapping[str, str], limit: int) -> dict[str, str]:
    if 0 <= limit < len(metadata):
        raise Forbidden("quota.exceeded", f"Maximum number of metadata items exceeds {limit}.")
    return dict(metadata)
