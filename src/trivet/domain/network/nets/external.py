"""External networks: those that lead out of a project, for whom a policy says so.

The first policy `access_as_external` makes a network external, the last one that goes makes it internal again; the
field `router:external` of the network is the same said in another way, for everybody.
"""

from trivet.domain.callers import Caller
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets import networks
from trivet.domain.network.nets.networks import NETWORKS, Network
from trivet.domain.network.rbac_policies import Action, ObjectType, RbacPolicy
from trivet.errors import Conflict
from trivet.store.tx import Tx


async def create_policy(
    tx: Tx, caller: Caller, project_id: str, *, kind: ObjectType, object_id: str, action: Action, target: str
) -> RbacPolicy:
    policy = await rbac_policies.create(
        tx, caller, project_id, kind=kind, object_id=object_id, action=action, target=target
    )
    if _is_external(policy):
        network = await tx.need(NETWORKS, object_id, "network")
        if not network.external:
            await tx.update(NETWORKS, network, external=True, updated_at=tx.clock.now())
    return policy


async def retarget_policy(tx: Tx, caller: Caller, policy: RbacPolicy, target: str) -> RbacPolicy:
    if _is_external(policy) and target != policy.target_tenant:
        await _not_the_default(tx, policy)
    return await rbac_policies.retarget(tx, caller, policy, target)


async def delete_policy(tx: Tx, policy: RbacPolicy) -> None:
    if _is_external(policy):
        await _not_the_default(tx, policy)
    await rbac_policies.delete(tx, policy)
    if _is_external(policy) and not await _policies(tx, policy.object_id):
        network = await tx.need(NETWORKS, policy.object_id, "network")
        try:
            await networks.may_be_internal(tx, network)
        except Conflict as error:
            # The owner's own gateways rely on no policy but on there being one.
            raise Conflict(
                "rbac_policy.in_use",
                f"RBAC policy on object {network.id} cannot be removed because other objects depend on it."
                " Details: There are routers attached to this network that depend on this policy for access.",
            ) from error
        await tx.update(NETWORKS, network, external=False, is_default=False, updated_at=tx.clock.now())


def _is_external(policy: RbacPolicy) -> bool:
    return policy.action == "access_as_external"


async def _policies(tx: Tx, network_id: str) -> bool:
    sql = "SELECT 1 FROM rbac_policies WHERE object_id = ? AND action = 'access_as_external' LIMIT 1"
    return await tx.row(sql, network_id) is not None


async def _not_the_default(tx: Tx, policy: RbacPolicy) -> None:
    network: Network = await tx.need(NETWORKS, policy.object_id, "network")
    if network.is_default and policy.target_tenant == "*":
        raise Conflict(
            "rbac_policy.in_use",
            f"RBAC policy on object {network.id} cannot be removed because other objects depend on it."
            " Details: Default external networks must be shared to everyone.",
        )
