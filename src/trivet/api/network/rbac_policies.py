"""/v2.0/rbac-policies"""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.network import bodies
from trivet.api.network.collections import Collection, Json
from trivet.domain.network import rbac_policies
from trivet.domain.network.nets import external
from trivet.domain.network.rbac_policies import RBAC_POLICIES, Action, ObjectType, RbacPolicy
from trivet.domain.network.words import Text

resource = Resource()


class RbacPolicyIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    project_id: Text | UnsetType = UNSET
    tenant_id: Text | UnsetType = UNSET
    object_type: ObjectType
    object_id: Text
    action: Action
    target_tenant: Text


class RbacPolicyChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target_tenant: Text


async def show_all(request: Request, found: Sequence[RbacPolicy]) -> list[Json]:
    return [
        {
            "id": policy.id,
            "object_type": policy.object_type,
            "object_id": policy.object_id,
            "action": policy.action,
            "target_tenant": policy.target_tenant,
            "project_id": policy.project_id,
            "tenant_id": policy.project_id,
        }
        for policy in found
    ]


COLLECTION = Collection(
    RBAC_POLICIES,
    "rbac_policy",
    "rbac_policies",
    show_all,
    text=("object_type", "object_id", "action", "target_tenant"),
    tagged=False,
)


@resource.on("GET", "/v2.0/rbac-policies", may="reader")
async def index(request: Request) -> Reply:
    return await COLLECTION.reply(request, rbac_policies.own_of(request.caller))


@resource.on("POST", "/v2.0/rbac-policies", may="member")
async def create(request: Request) -> Reply:
    async def make(wanted: RbacPolicyIn) -> RbacPolicy:
        owned = bodies.owned(wanted)
        return await external.create_policy(
            request.tx,
            request.caller,
            rbac_policies.owner(request.caller, owned.project_id),
            kind=owned.object_type,
            object_id=owned.object_id,
            action=owned.action,
            target=owned.target_tenant,
        )

    async def before(wishes: Sequence[RbacPolicyIn]) -> None:
        await rbac_policies.hold(request.tx, ((wish.object_type, wish.object_id) for wish in wishes))

    return await COLLECTION.made(request, RbacPolicyIn, make, before)


@resource.on("GET", "/v2.0/rbac-policies/{rbac_policy_id}", may="reader")
async def show(request: Request) -> Reply:
    return await COLLECTION.one(
        request, await rbac_policies.visible(request.tx, request.caller, request.values["rbac_policy_id"])
    )


@resource.on("PUT", "/v2.0/rbac-policies/{rbac_policy_id}", may="member")
async def update(request: Request) -> Reply:
    policy = await rbac_policies.own(request.tx, request.caller, request.values["rbac_policy_id"], "update_rbac_policy")
    wanted = bodies.one(request, RbacPolicyChange, "rbac_policy")
    return await COLLECTION.one(
        request, await external.retarget_policy(request.tx, request.caller, policy, wanted.target_tenant)
    )


@resource.on("DELETE", "/v2.0/rbac-policies/{rbac_policy_id}", may="member")
async def delete(request: Request) -> Reply:
    policy = await rbac_policies.own(request.tx, request.caller, request.values["rbac_policy_id"], "delete_rbac_policy")
    await external.delete_policy(request.tx, policy)
    return Reply(204)
