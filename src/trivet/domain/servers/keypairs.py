"""Key pairs: public keys that a user's servers let in. They belong to the user, not to a project.

A pair that we make is given away once and its private half is kept nowhere.
"""

import base64
import binascii
import datetime
import hashlib
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trivet.domain.identity.people.users import USERS
from trivet.domain.limits import quotas
from trivet.domain.row_locks import hold_known
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

KeyType = Literal["ssh", "x509"]

_BITS = 2048
_X509_DAYS = 3650
_UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


class Keypair(Record, frozen=True, kw_only=True):
    user_id: str
    name: str
    type: KeyType
    public_key: str
    fingerprint: str
    created_at: float


KEYPAIRS = Table("keypairs", Keypair)


class Generated(msgspec.Struct, frozen=True):
    private_key: str
    public_key: str


async def visible(tx: Tx, user_id: str, name: str) -> Keypair:
    keypair = await tx.find(KEYPAIRS, "user_id = ? AND name = ?", user_id, name)
    if keypair is None:
        raise NotFound("keypair.absent", f"Keypair {name} not found for user {user_id}")
    return keypair


async def create(tx: Tx, keypair: Keypair, project_id: str) -> Keypair:
    """How many a user may have is the project's limit."""
    await hold_known(tx, USERS, keypair.user_id, "user")
    await quotas.take(tx, project_id, {"server_key_pairs": 1}, holder_id=keypair.user_id)
    if not await tx.insert_new(KEYPAIRS, keypair):
        raise Conflict("keypair.exists", f"Key pair '{keypair.name}' already exists.")
    return keypair


async def delete(tx: Tx, user_id: str, name: str) -> None:
    await tx.delete(KEYPAIRS, await visible(tx, user_id, name))
    await quotas.give_back(tx, user_id, {"server_key_pairs": 1})


async def forget(tx: Tx, user_id: str) -> None:
    """Deletes key pairs together with their user."""
    await tx.run("DELETE FROM keypairs WHERE user_id = ?", user_id)


def fingerprint(public_key: str, kind: KeyType) -> str:
    """The fingerprint as people compare it: MD5 of an SSH key, SHA-1 of a certificate. Invalid if it is neither."""
    return _ssh_fingerprint(public_key) if kind == "ssh" else _x509_fingerprint(public_key)


def generate(kind: KeyType, user_id: str, now: float) -> Generated:
    """Takes a tenth of a second of CPU: not for the event loop."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    if kind == "x509":
        return _certificate(key, user_id, now)
    return Generated(
        private_key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode(),
        public_key=key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
        + " Generated-by-Trivet\n",
    )


def _certificate(key: rsa.RSAPrivateKey, user_id: str, now: float) -> Generated:
    """A certificate by which WinRM lets the user in: the principal's name is what counts."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    start = datetime.datetime.fromtimestamp(now, datetime.UTC)
    principal = f"{user_id}@localhost".encode()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_X509_DAYS))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.OtherName(_UPN, b"\x0c" + _der_length(principal) + principal)]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return Generated(
        private_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        public_key=certificate.public_bytes(serialization.Encoding.PEM).decode(),
    )


def _der_length(value: bytes) -> bytes:
    return bytes((len(value),)) if len(value) < 128 else bytes((0x81, len(value)))


def _ssh_fingerprint(public_key: str) -> str:
    parts = public_key.split()
    try:
        serialization.load_ssh_public_key(" ".join(parts[:2]).encode())
        blob = base64.b64decode(parts[1])
    except (ValueError, IndexError, binascii.Error, UnsupportedAlgorithm, UnicodeEncodeError) as error:
        raise Invalid("keypair.invalid", "Keypair data is invalid: failed to generate fingerprint") from error
    return _colons(hashlib.md5(blob, usedforsecurity=False).hexdigest())


def _x509_fingerprint(certificate: str) -> str:
    try:
        loaded = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise Invalid("keypair.invalid", "Keypair data is invalid: failed to generate X509 fingerprint.") from error
    return _colons(loaded.fingerprint(hashes.SHA1()).hex())  # noqa: S303 - a name for people, not a protection


def _colons(digest: str) -> str:
    return ":".join(digest[n : n + 2] for n in range(0, len(digest), 2))
