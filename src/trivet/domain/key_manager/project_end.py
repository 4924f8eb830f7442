"""The end of a project: what it had kept goes with it, since nobody could ever read it again."""

from trivet.domain.key_manager import containers, stored_secrets
from trivet.domain.key_manager.containers import CONTAINERS
from trivet.domain.key_manager.stored_secrets import STORED_SECRETS
from trivet.store.tx import Tx
from trivet.store.where import Where


async def forget(tx: Tx, project_id: str) -> None:
    of_project = Where().equal("project_id", project_id)
    await tx.run("DELETE FROM secret_orders WHERE project_id = ?", project_id)
    for container in await tx.select(CONTAINERS, of_project, order="id"):
        await containers.delete(tx, container)
    for secret in await tx.select(STORED_SECRETS, of_project, order="id"):
        await stored_secrets.delete(tx, secret)
    await tx.run("DELETE FROM secret_consumers WHERE project_id = ?", project_id)
    await tx.run("DELETE FROM payload_keys WHERE project_id = ?", project_id)
