"""Signatures of images: somebody's word for the bytes, checked when these come and before anything is made of them.

Four properties of the image say it, as upstream has them. What is signed is a digest, and that is made while the bytes
come: to check a signature later nothing is read again. The certificate is a secret of the key manager, which whoever
uses the image must be able to read. What comes from there is a tenant's: keys that cost much to try are refused.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from trivet.domain.callers import Caller
from trivet.domain.images import trust
from trivet.domain.images.images import Image
from trivet.domain.key_manager import access, stored_secrets
from trivet.domain.secrets import Secrets
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.store.tx import Tx

VALUE, METHOD, KEY_TYPE, CERTIFICATE = (
    "img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid",
)  # fmt: skip
PROPERTIES = frozenset((VALUE, METHOD, KEY_TYPE, CERTIFICATE))
"""An image with all of them is signed. Whoever makes other bytes of it leaves them out."""
VERIFIED = "signature_verified"
"""Noted of a volume that was made of a signed image."""

_METHODS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "SHA-224": ("sha224", hashes.SHA224()),
    "SHA-256": ("sha256", hashes.SHA256()),
    "SHA-384": ("sha384", hashes.SHA384()),
    "SHA-512": ("sha512", hashes.SHA512()),
}
_CURVES = ("secp384r1", "secp521r1", "sect409k1", "sect409r1", "sect571k1", "sect571r1")
_FAILED = "Signature verification for the image failed:"
_RSA_BITS_MAX, _DSA_BITS_MAX, _EXPONENT_MAX = 8192, 4096, 1 << 32

PublicKey = rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey


class Signature(msgspec.Struct, frozen=True):
    value: bytes
    method: str
    key_type: str
    certificate_id: str

    def new_digest(self) -> "hashlib._Hash":
        return hashlib.new(_METHODS[self.method][0])


class Check(msgspec.Struct, frozen=True):
    """A signature with the key that it is tried with."""

    signature: Signature
    certificate: bytes
    """In DER."""

    def verify(self, digest: bytes) -> None:
        method = Prehashed(_METHODS[self.signature.method][1])
        key = _key(x509.load_der_x509_certificate(self.certificate), self.signature.key_type)
        try:
            if isinstance(key, rsa.RSAPublicKey):
                scheme = padding.PSS(padding.MGF1(_METHODS[self.signature.method][1]), padding.PSS.MAX_LENGTH)
                key.verify(self.signature.value, digest, scheme, method)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(self.signature.value, digest, ec.ECDSA(method))
            else:
                key.verify(self.signature.value, digest, method)
        except (InvalidSignature, UnsupportedAlgorithm) as error:
            raise failed("the signature is not of these bytes by the key of its certificate.") from error


def signature_of(properties: Mapping[str, str]) -> Signature | None:
    """None: it is not signed."""
    if not properties.keys() >= PROPERTIES:
        return None
    method, key_type = properties[METHOD], properties[KEY_TYPE]
    if method not in _METHODS:
        raise failed(f"Invalid signature hash method: {method[:64]}; there are {', '.join(_METHODS)}.")
    if key_type not in ("RSA-PSS", "DSA") and key_type.removeprefix("ECC_").lower() not in _CURVES:
        raise failed(f"Invalid signature key type: {key_type[:64]}.")
    try:
        value = base64.b64decode("".join(properties[VALUE].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise failed("The signature data was not properly encoded using base64.") from error
    return Signature(value, method, key_type, properties[CERTIFICATE])


async def check_of(tx: Tx, secrets: Secrets, caller: Caller, properties: Mapping[str, str]) -> Check | None:
    """What the bytes must pass, with a certificate that the caller may read; None: it is not signed."""
    signature = signature_of(properties)
    if signature is None:
        return None
    certificate = await _certificate(tx, secrets, caller, signature.certificate_id)
    _key(certificate, signature.key_type)
    return Check(signature, certificate.public_bytes(trust.DER))


async def refuse_unverified(
    tx: Tx, secrets: Secrets, caller: Caller, image: Image, trusted: tuple[str, ...] = ()
) -> bool:
    """Before it is used. Whether it is signed. `trusted`: certificates that the signature must come down from."""
    check = await check_of(tx, secrets, caller, image.properties)
    if check is None:
        if trusted:
            raise failed(
                f"image {image.id} is not signed, and trusted_image_certificates were given. Required image "
                "properties for signature verification do not exist."
            )
        return False
    check.verify(known_digest(image, check.signature))
    if trusted:
        roots = await _trusted(tx, secrets, caller, trusted)
        why = trust.doubt(x509.load_der_x509_certificate(check.certificate), roots, tx.clock.now())
        if why is not None:
            raise failed(why)
    return True


async def doubt(
    tx: Tx, secrets: Secrets, caller: Caller, image: Image, trusted: tuple[str, ...] = ()
) -> str | None:  # fmt: skip
    """Why nothing may be made of it."""
    try:
        await refuse_unverified(tx, secrets, caller, image, trusted)
    except Invalid as error:
        return error.message
    return None


def without(properties: Mapping[str, str]) -> dict[str, str]:
    """Of what is made from an image: the words that are not about just these bytes."""
    return {name: value for name, value in properties.items() if name not in PROPERTIES and name != VERIFIED}


def written_down(method: str, digest: bytes) -> str:
    return f"{method}:{digest.hex()}"


def known_digest(image: Image, signature: Signature) -> bytes:
    method, _, digest = (image.signed_digest or "").partition(":")
    if method == signature.method:
        return bytes.fromhex(digest)
    if signature.method == "SHA-512" and image.os_hash_algo == "sha512" and image.os_hash_value is not None:
        return bytes.fromhex(image.os_hash_value)
    raise failed(
        f"when the bytes of image {image.id} came, they were not signed by {signature.method}. Sign them by SHA-512, "
        "or upload them again with the signature."
    )


# -- certificates


async def _certificate(tx: Tx, secrets: Secrets, caller: Caller, id: str) -> x509.Certificate:
    try:
        secret = await stored_secrets.readable(tx, caller, id, "Secret payload retrieval", access.READ)
        payload = await stored_secrets.payload_of(tx, secrets, secret)
    except (NotFound, Forbidden) as error:
        raise failed(f"Certificate not found with ID: {id[:64]}, or it is not yours to read.") from error
    if secret.secret_type != "certificate":  # noqa: S105 - a kind, and no secret
        raise failed(f"secret {id} is no certificate but {secret.secret_type}.")
    try:
        if payload.lstrip().startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(payload)
        return x509.load_der_x509_certificate(payload)
    except ValueError as error:
        raise failed(f"secret {id} holds no X.509 certificate in PEM or DER.") from error


async def _trusted(
    tx: Tx, secrets: Secrets, caller: Caller, ids: tuple[str, ...]
) -> list[tuple[str, x509.Certificate]]:  # fmt: skip
    """Those that he may read; what is missing proves nothing."""
    found = []
    for id in ids:
        try:
            certificate = await _certificate(tx, secrets, caller, id)
            _refuse_costly(certificate.public_key())
        except (Invalid, UnsupportedAlgorithm, ValueError):
            continue
        found.append((id, certificate))
    return found


def _key(certificate: x509.Certificate, key_type: str) -> PublicKey:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise failed("the key of its certificate is of a kind that is not known here.") from error
    _refuse_costly(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        right = key_type == f"ECC_{key.curve.name.upper()}"
    else:
        right = isinstance(key, rsa.RSAPublicKey if key_type == "RSA-PSS" else dsa.DSAPublicKey)
    if not right or not isinstance(key, PublicKey):
        raise failed(f"Invalid public key type for signature key type: {key_type}.")
    return key


def _refuse_costly(key: object) -> None:
    """A key as large as a payload may be would keep everybody waiting."""
    large = isinstance(key, rsa.RSAPublicKey) and (
        key.key_size > _RSA_BITS_MAX or key.public_numbers().e > _EXPONENT_MAX
    )
    if large or (isinstance(key, dsa.DSAPublicKey) and key.key_size > _DSA_BITS_MAX):
        raise failed("the key of its certificate is larger than any that is tried here.")


def failed(why: str) -> Invalid:
    return Invalid("image.signature", f"{_FAILED} {why}")


def is_failure(message: str) -> bool:
    return message.startswith(_FAILED)
