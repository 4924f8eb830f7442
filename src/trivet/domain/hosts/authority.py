"""The cloud's authority for hosts: it signs the certificates by which hosts know each other, and nothing else.

Only hosts are shown these certificates; clients of the API never meet them.
"""

import ipaddress
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trivet.errors import Invalid

_AUTHORITY_DAYS = 3650
HOST_DAYS = 3650
"""A host gets a new certificate with each start of its agent, and may run for years without one."""
_CLOCKS_DIFFER = timedelta(hours=1)
_CURVE = ec.SECP256R1


class Authority(msgspec.Struct, frozen=True):
    certificate: str
    private_key: str


def found() -> Authority:
    key = ec.generate_private_key(_CURVE())
    name = _named("Trivet hosts")
    certificate = (
        _builder(name, name, key.public_key(), _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(_pem(certificate), _secret(key))


def request(name: str) -> tuple[str, str]:
    """(private key, signing request), made where the key is to stay."""
    key = ec.generate_private_key(_CURVE())
    asked = x509.CertificateSigningRequestBuilder().subject_name(_named(name)).sign(key, hashes.SHA256())
    return _secret(key), asked.public_bytes(serialization.Encoding.PEM).decode()


def sign(authority: Authority, asked: str, name: str, ip: str | None = None) -> str:
    """A certificate for the key in the request. What else the request says counts for nothing: the name is ours."""
    try:
        request = x509.load_pem_x509_csr(asked.encode())
        key = request.public_key()
        fits = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVE)
        fits = fits and request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid("certificate.request", f"The signing request cannot be read: {error}.") from error
    if not fits or not isinstance(key, ec.EllipticCurvePublicKey):
        raise Invalid("certificate.request", "A signing request must have a key on P-256, and be signed with it.")
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode()).subject
    signer = serialization.load_pem_private_key(authority.private_key.encode(), None)
    builder = _builder(_named(name), issuer, key, HOST_DAYS).add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    if ip is not None:
        named = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))])
        builder = builder.add_extension(named, critical=False)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's own key is on P-256")
    return _pem(builder.sign(signer, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _secret(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
