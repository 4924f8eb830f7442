"""Whether a certificate comes down from trusted ones: by the rules that image clients know from upstream.

Each certificate of the chain is named by whoever trusts it, is valid now, and may sign others; the last one signed
itself. A chain has an end here, whatever the certificates say of each other.
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

DER = Encoding.DER
_LONGEST = 10

Named = tuple[str, x509.Certificate]


def doubt(certificate: x509.Certificate, trusted: list[Named], now: float) -> str | None:
    """None: it is trusted."""
    moment = datetime.fromtimestamp(now, UTC)
    if not _is_valid(certificate, moment):
        return "The certificate is outside its valid date range."
    signers = [named for named in trusted if _is_valid(named[1], moment) and _may_sign(named[1])]
    found, name = certificate, "the base certificate"
    for below in range(_LONGEST):
        issuer = next((named for named in signers if _issued(named[1], found)), None)
        if issuer is None:
            return (
                f"Certificate chain building failed. Could not locate the signing certificate for {name} in the set "
                "of trusted certificates."
            )
        if issuer[1] == found:
            return None
        room = _constraints(issuer[1]).path_length
        if room is not None and room < below:
            return (
                f"Certificate validation failed. The signing certificate '{issuer[0]}' is not configured to support "
                "certificate chains of sufficient length."
            )
        found, name = issuer[1], f"certificate '{issuer[0]}'"
    return f"Certificate chain building failed. A chain has {_LONGEST} certificates at most."


def _is_valid(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        return _constraints(certificate).ca and usage.key_cert_sign
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _constraints(certificate: x509.Certificate) -> x509.BasicConstraints:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value


def _issued(issuer: x509.Certificate, issued: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
