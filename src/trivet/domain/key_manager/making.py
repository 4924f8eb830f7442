"""Making keys: random ones for a cipher or a signature by a shared key, and pairs."""

import os

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SYMMETRIC = frozenset(("aes", "des", "desede", "3des", "hmacsha1", "hmacsha256", "hmacsha384", "hmacsha512"))
_LENGTHS = frozenset((64, 128, 192, 256))
_HMAC_LENGTHS = frozenset((160, 384, 512))
_RSA_LENGTHS = frozenset((1024, 2048, 3072, 4096))


class Pair(msgspec.Struct, frozen=True):
    private: bytes
    public: bytes


def refusal(type: str, algorithm: str, bits: int, mode: str | None) -> str | None:
    """Why no such key is made; None if it is."""
    name = algorithm.lower()
    if type == "asymmetric":
        if name != "rsa":
            return "Requested algorithm is not supported: a pair of keys is of rsa"
        return None if bits in _RSA_LENGTHS else f"a pair of rsa has 1024, 2048, 3072 or 4096 bits, not {bits}"
    if name not in SYMMETRIC:
        return f"Requested algorithm is not supported: it is one of {', '.join(sorted(SYMMETRIC))}"
    halves = 2 if (mode or "").lower() == "xts" else 1
    if bits / halves in _LENGTHS or (name.startswith("hmac") and bits in _HMAC_LENGTHS):
        return None
    return f"there is no such key of {bits} bits"


def symmetric(bits: int) -> bytes:
    return os.urandom(bits // 8)


def pair(bits: int, passphrase: str | None) -> Pair:
    """In PEM, as clients know what a key manager makes. It takes long: not for where others wait."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    sealed: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        sealed = serialization.BestAvailableEncryption(passphrase.encode(errors="replace"))
    return Pair(
        private=made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed),
        public=made.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )
