"""Secrets: what the database keeps but must not tell whoever reads its disk.

The cloud's key is a local file, not a row, so a stolen database holds nothing that can sign. A cloud
without a key file (a test) seals with nothing: the text stays readable and says so by its mark.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from trivet.errors import Busy

_PLAIN = "plain:"
_FERNET = "fernet:"
_WRONG_KEY = (
    "The key file (secret, in the directory of --data) is not the one that sealed this database: copy it from the "
    "--data of a process that shares the database, or from a backup."
)
_NO_KEY = "The database holds secrets, but this process has no key file (secret, in the directory of --data)."


class Secrets:
    def __init__(self, key: bytes | None = None) -> None:
        derived = base64.urlsafe_b64encode(hashlib.sha256(b"trivet secrets\n" + key).digest()) if key else None
        self._fernet = Fernet(derived) if derived else None
        self._root = hashlib.sha256(b"trivet derived\n" + (key or b"")).digest()

    def derived(self, purpose: str) -> bytes:
        """The same 32 bytes whenever it is asked; from them neither the key nor another purpose's can be told."""
        return hmac.digest(self._root, purpose.encode(), "sha256")

    def seal(self, text: str) -> str:
        if self._fernet is None:
            return _PLAIN + text
        return _FERNET + self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        if sealed.startswith(_PLAIN):
            return sealed.removeprefix(_PLAIN)
        if self._fernet is None:
            raise Busy("secrets.no_key", _NO_KEY)
        try:
            return self._fernet.decrypt(sealed.removeprefix(_FERNET)).decode()
        except InvalidToken as error:
            raise Busy("secrets.wrong_key", _WRONG_KEY) from error
