"""The certificate that the API shows: a pair of files, read again when either changes, without a restart.

Who renews certificates writes two files, one after the other. A pair that does not fit together yet is no reason to
stop showing the old one: it is said once, and tried again when the files change again.
"""

import asyncio
import logging
import ssl
from pathlib import Path

from trivet.errors import Invalid

_LOOK_EVERY_S = 2.0
_logger = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """Connections that begin take what `context` holds at that moment."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._stamp()
        self.context = self._loaded()

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        certificate, key = self._files
        try:
            # Without a password of ours a key that has one would ask for it on the terminal.
            context.load_cert_chain(certificate, key, password=lambda: "")
        except ssl.SSLError as error:
            raise Invalid(
                "tls.refused",
                f"{certificate} and {key} are no certificate with its key, in PEM and without a password "
                f"({error.reason or error}).",
            ) from error
        except OSError as error:
            absent = [str(path) for path in self._files if not path.is_file()]
            what = absent[0] if absent else f"{certificate} and {key}"
            raise Invalid("tls.refused", f"Cannot read {what}: {error.strerror}.") from error
        return context

    def _stamp(self) -> _Stamp:
        """When the files were written, by what tells one writing from the next."""
        found = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def look_again(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._loaded()
            self.context.load_cert_chain(*self._files, password=lambda: "")
        except (Invalid, OSError) as error:
            _logger.warning("The certificate changed and cannot be used; the one before goes on: %s", error)
        else:
            _logger.info("The certificate was read again")

    async def keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.look_again()


def trusting_only(certificate: Path) -> ssl.SSLContext:
    """For processes of one cloud that talk to each other: they show one certificate, and trust that and nothing else.

    They know each other by addresses that no certificate names, so the name is not compared: the certificate is.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    end = "-----END CERTIFICATE-----"
    own = certificate.read_text().partition(end)[0] + end
    context.load_verify_locations(cadata=own)
    return context
