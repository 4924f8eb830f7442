"""Host credentials: what an agent on another machine shows. Each is good for one host, by name, and nothing else.

The secret is shown once and kept as a digest. It begins with the credential's id, so it is found by that and
compared in constant time; a host may have several, so that one can be replaced without a gap.
"""

import hashlib
import hmac

from trivet.errors import Forbidden
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class HostCredential(Record, frozen=True, kw_only=True):
    host: str
    """The name of the host. It has no id yet: the credential is made before the host first reports."""
    digest: str
    created_at: float


HOST_CREDENTIALS = Table("host_credentials", HostCredential, logged=False)


def _digest(secret: str) -> str:
    # 256 bits by chance need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()


async def create(tx: Tx, host: str) -> tuple[HostCredential, str]:
    """The credential, and its secret, which nobody can read again."""
    id = tx.ids.hex()
    secret = f"{id}.{tx.ids.secret()}"
    made = await tx.insert(
        HOST_CREDENTIALS, HostCredential(id=id, host=host, digest=_digest(secret), created_at=tx.clock.now())
    )
    return made, secret


async def revoke(tx: Tx, id: str) -> None:
    """Ends a credential. The next call that shows it is refused."""
    await tx.delete(HOST_CREDENTIALS, await tx.need(HOST_CREDENTIALS, id, "credential"))


async def listed(tx: Tx) -> list[HostCredential]:
    return await tx.select(HOST_CREDENTIALS, order="host, created_at")


async def admit(tx: Tx, secret: str | None) -> HostCredential:
    """Whose secret it is; the same refusal whatever is wrong with it."""
    if secret:
        known = await tx.get(HOST_CREDENTIALS, secret.partition(".")[0])
        if hmac.compare_digest(_digest(secret), known.digest if known is not None else "") and known is not None:
            return known
    raise Forbidden("host_credential.unknown", "This host credential is not known here, or was revoked.", status=401)
