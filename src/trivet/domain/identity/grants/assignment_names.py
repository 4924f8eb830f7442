"""Assignment names: what the ids of an assignment are called, each looked up once."""

from trivet.domain.identity.assignments import Assignment
from trivet.domain.identity.grants.groups import GROUPS, Group
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.identity.people.roles import ROLES
from trivet.domain.identity.people.users import USERS, User
from trivet.store.tx import Tx

Named = dict[str, object]


class Names:
    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._known: dict[str, Named] = {}

    async def actor(self, one: Assignment) -> Named:
        if one.actor_id not in self._known:
            found: User | Group | None
            if one.actor_kind == "user":
                found = await self._tx.get(USERS, one.actor_id)
            else:
                found = await self._tx.get(GROUPS, one.actor_id)
            self._known[one.actor_id] = await self._in_domain(
                one.actor_id, found.name if found else "", found.domain_id if found else None
            )
        return self._known[one.actor_id]

    async def target(self, one: Assignment) -> Named:
        if one.target_id not in self._known:
            found = await self._tx.get(PROJECTS, one.target_id)
            self._known[one.target_id] = await self._in_domain(
                one.target_id, found.name if found else "", found.domain_id if found else None
            )
        return self._known[one.target_id]

    async def role(self, id: str) -> Named:
        if id not in self._known:
            found = await self._tx.get(ROLES, id)
            self._known[id] = await self._in_domain(id, found.name if found else "", found.domain_id if found else None)
        return self._known[id]

    async def _in_domain(self, id: str, name: str, domain_id: str | None) -> Named:
        named: Named = {"id": id, "name": name}
        if domain_id is not None:
            domain = await self._tx.get(PROJECTS, domain_id)
            named["domain"] = {"id": domain_id, "name": domain.name if domain else ""}
        return named
