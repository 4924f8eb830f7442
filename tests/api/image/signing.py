"""Who signs images: keys, certificates under an authority and its intermediates, and the words of a signed image."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA-224": hashes.SHA224(), "SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384(), "SHA-512": hashes.SHA512(),
}  # fmt: skip


class Signer:
    """A key with its certificate, which another one signed, or it itself."""

    def __init__(
        self,
        name: str,
        *,
        kind: str = "RSA-PSS",
        by: "Signer | None" = None,
        ca: bool = False,
        length: int | None = None,
        days: int = 10,
    ) -> None:
        self.kind = kind
        self.key: Any = _new_key(kind)
        issuer = by or self
        self.name = name
        now = datetime.now(UTC)
        named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each.name)]) for each in (self, issuer)]
        building = (
            x509.CertificateBuilder(named[1], named[0], self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=20))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
            .add_extension(_usage(signs=ca), critical=True)
        )
        self.certificate = building.sign(issuer.key, hashes.SHA256())

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def words(self, data: bytes, certificate_id: str, method: str = "SHA-256") -> dict[str, str]:
        """The properties of an image of these bytes."""
        hash = HASHES[method]
        if self.kind == "RSA-PSS":
            scheme = padding.PSS(padding.MGF1(hash), padding.PSS.MAX_LENGTH)
            value = self.key.sign(data, scheme, hash)
        elif self.kind == "DSA":
            value = self.key.sign(data, hash)
        else:
            value = self.key.sign(data, ec.ECDSA(hash))
        return {
            "img_signature": base64.b64encode(value).decode(),
            "img_signature_hash_method": method,
            "img_signature_key_type": self.kind,
            "img_signature_certificate_uuid": certificate_id,
        }


def _new_key(kind: str) -> Any:
    if kind == "RSA-PSS":
        return rsa.generate_private_key(65537, 2048)
    if kind == "DSA":
        return dsa.generate_private_key(2048)
    return ec.generate_private_key(getattr(ec, kind.removeprefix("ECC_"))())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
