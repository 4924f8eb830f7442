"""Encrypted volumes: a type says how, each volume has a key of its own in its project's key manager.

A copy has a key of its own with the same bytes in it, since what is sealed is copied as it is.
"""

import re
from typing import Any

import msgspec

from trivet.domain.key_manager import service_keys
from trivet.domain.key_manager.access import Owner
from trivet.domain.key_manager.consumers import Use
from trivet.domain.secrets import Secrets
from trivet.domain.volumes.types import TYPES, Encryption, VolumeType, in_use
from trivet.domain.volumes.volumes import Volume
from trivet.drivers.contracts.volume import Key
from trivet.errors import Invalid, NotFound
from trivet.store.tx import Tx

ABILITY = "encryption"
"""Of back ends."""
_PROVIDERS = frozenset(("luks", "luksencryptor", "nova.volume.encryptors.luks.luksencryptor"))
_BITS = 256
_CIPHER = re.compile(r"(aes|serpent|twofish)-(cbc|ctr|xts)-(plain64|plain|essiv:sha256)")
_SIZES = (128, 192, 256)


def check(said: Encryption) -> None:
    """A type may say what it likes, as clients expect; a volume of it is not begun if no engine could make it."""
    if said.provider.lower() not in _PROVIDERS:
        raise Invalid(
            "encryption.provider",
            f"Invalid input: the type's encryption provider {said.provider[:64]!r} is not offered: volumes are "
            "encrypted as luks here.",
        )
    _key(said, b"")


async def create(tx: Tx, type: VolumeType, made: Encryption) -> VolumeType:
    await _need_unused(tx, type, "create")
    if type.encryption is not None:
        raise Invalid("encryption.exists", f"Type encryption for type {type.id} already exists.")
    return await tx.update(TYPES, type, encryption=made)


async def update(tx: Tx, type: VolumeType, changes: dict[str, Any]) -> VolumeType:
    await _need_unused(tx, type, "update")
    changed = msgspec.structs.replace(of_type(type), **changes, updated_at=tx.clock.now())
    return await tx.update(TYPES, type, encryption=changed)


async def delete(tx: Tx, type: VolumeType) -> VolumeType:
    await _need_unused(tx, type, "delete")
    of_type(type)
    return await tx.update(TYPES, type, encryption=None)


def of_type(type: VolumeType) -> Encryption:
    if type.encryption is None:
        raise NotFound("encryption.absent", f"Volume type encryption for type {type.id} does not exist.")
    return type.encryption


async def _need_unused(tx: Tx, type: VolumeType, doing: str) -> None:
    if await in_use(tx, type.id):
        raise Invalid("encryption.in_use", f"Cannot {doing} encryption specs. Volume type in use.")


# -- the key of a volume


async def reserve_key(tx: Tx, volume: Volume, encryption: Encryption) -> str:
    use = Use(service="block-storage", resource_type="volume", resource_id=volume.id)
    bits = encryption.key_size or _BITS
    owner = Owner(volume.project_id, volume.user_id)
    return (await service_keys.reserve(tx, owner, f"volume {volume.id}", bits, use)).id


async def fill_key(tx: Tx, secrets: Secrets, volume: Volume, source_key_id: str | None) -> Key | None:
    """When it is made: with what opens its source, if it has one."""
    assert volume.encryption_key_id is not None
    payload = await service_keys.filled(tx, secrets, volume.encryption_key_id, source_key_id)
    return await _for_engine(tx, volume, payload)


async def key(tx: Tx, secrets: Secrets, volume: Volume) -> Key | None:
    """None if its owner took it away."""
    assert volume.encryption_key_id is not None
    return await _for_engine(tx, volume, await service_keys.opened(tx, secrets, volume.encryption_key_id))


async def drop_key(tx: Tx, volume: Volume) -> None:
    if volume.encryption_key_id is not None:
        await service_keys.drop(tx, volume.encryption_key_id)


async def key_for(tx: Tx, secrets: Secrets, volume: Volume, project_id: str, user_id: str) -> str | None:
    """Where it goes to another project: there it is another secret."""
    if volume.encryption_key_id is None:
        return None
    there = msgspec.structs.replace(volume, project_id=project_id, user_id=user_id)
    moved = await reserve_key(tx, there, await _encryption(tx, volume))
    if await service_keys.filled(tx, secrets, moved, volume.encryption_key_id) is None:
        raise Invalid("encryption.key_absent", f"Invalid volume: the key of volume {volume.id} is gone.")
    return moved


async def _for_engine(tx: Tx, volume: Volume, payload: bytes | None) -> Key | None:
    return _key(await _encryption(tx, volume), payload) if payload is not None else None


async def _encryption(tx: Tx, volume: Volume) -> Encryption:
    type = await tx.get(TYPES, volume.type_id) if volume.type_id is not None else None
    return (type.encryption if type is not None else None) or Encryption(id="", provider="luks", created_at=0)


def _key(encryption: Encryption, payload: bytes) -> Key:
    """As other users of such keys do: the passphrase is the key in hexadecimal."""
    said, bits = encryption.cipher or "aes-xts-plain64", encryption.key_size or _BITS
    parts = _CIPHER.fullmatch(said)
    if parts is None:
        raise Invalid("encryption.cipher", f"Invalid input: cipher {said[:64]!r} is none here; aes-xts-plain64 is.")
    cipher, mode, iv = parts.groups()
    # In this mode a key is two: one for the data, one for where it stands.
    each = bits // 2 if mode == "xts" else bits
    if each not in _SIZES:
        raise Invalid("encryption.key_size", f"Invalid input: there is no key of {bits} bits for {said}.")
    ivgen, _, ivgen_hash = iv.partition(":")
    return Key(payload.hex(), f"{cipher}-{each}", mode, ivgen, ivgen_hash or None)
