"""trivet certificate: a key and a certificate signed with it, for who has none from an authority."""

import argparse
import ipaddress
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from trivet.errors import Conflict
from trivet.settings import Settings

_DAYS = 825
"""The longest that clients of some makers accept."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "certificate",
        help="make a self-signed certificate for TLS",
        description="Make DIR/tls.crt and DIR/tls.key: a certificate that signs itself, so clients must be told to "
        "trust it (clouds.yaml of the cloud does so). For a cloud that others use, get one from an authority.",
    )
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="Where both files go.")
    parser.add_argument(
        "--name", metavar="NAME", action="append", default=[],
        help="A host name or address by which clients come; again for more of them. [this machine's own]",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    certificate, key = chosen.data / "tls.crt", chosen.data / "tls.key"
    for path in (certificate, key):
        if path.exists():
            raise Conflict("tls.there", f"{path} is there already; move it away first.")
    chosen.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = chosen.name or _own_names()
    pem, secret, fingerprint = _made(names)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    certificate.write_bytes(pem)
    print(f"made {certificate} and {key} for {', '.join(names)}, good for {_DAYS} days")
    print(f"SHA-256 {fingerprint}")
    print(f"use them: trivet up --tls-certificate {certificate} --tls-key {key}")
    return 0


def _own_names() -> list[str]:
    """What this machine calls itself, and the address from which it goes out to others."""
    facing_out = urlsplit(Settings(listen="0.0.0.0:1").own_url).hostname or "127.0.0.1"
    return list(dict.fromkeys((socket.gethostname(), "localhost", "127.0.0.1", "::1", facing_out)))


def _made(names: list[str]) -> tuple[bytes, bytes, str]:
    """(certificate, key, fingerprint)"""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - `trivet --help` need not wait for it

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.now(UTC)
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name) for name in names
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fingerprint = ":".join(f"{byte:02X}" for byte in made.fingerprint(hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM), secret, fingerprint


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_self_signed(certificate: Path) -> bool:
    """Whether no authority signed the certificate, so that clients must be given the file."""
    from cryptography import x509  # noqa: PLC0415

    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.issuer == found.subject
