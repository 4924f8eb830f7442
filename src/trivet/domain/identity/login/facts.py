"""Login facts: a user, the project that a token is wanted for, and the roles there, in one statement.

Nearly every login asks for just these, and on PostgreSQL a statement costs more than what it reads. Who comes again is
answered from the memory, but only after a look at the log's end: another process may have written a moment ago, and a
token issued on what was true before would be too young for the revocation to hit it.
"""

from trivet.domain.identity.login.proven import Granted, Place
from trivet.domain.identity.login.scoping import ProjectRef, project_condition
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people.naming import Condition, UserRef, user_condition
from trivet.domain.identity.people.roles import VERSION, role_map
from trivet.domain.identity.people.users import USERS, User
from trivet.domain.identity.tokens import revocations
from trivet.store.tx import Tx

_LISTED = ", ".join(USERS.columns)
_COUNT = len(USERS.columns)


def _sql(user: Condition, project: Condition) -> str:
    # Roles by the rules of assignments.roles_on: given on the project, or inherited from above; to the user or a group.
    return f"""
    WITH RECURSIVE u AS (SELECT {_LISTED} FROM users WHERE {user.sql}),
    p AS (SELECT id, domain_id, parent_id FROM projects WHERE {project.sql}),
    mine (id) AS (SELECT id FROM u UNION ALL SELECT m.group_id FROM u JOIN memberships m ON m.user_id = u.id),
    above (id, parent_id) AS (
        SELECT q.id, q.parent_id FROM p JOIN projects q ON q.id = p.parent_id
        UNION ALL SELECT q.id, q.parent_id FROM above JOIN projects q ON q.id = above.parent_id
    ),
    held AS (
        SELECT a.role_id FROM mine JOIN assignments a ON a.actor_id = mine.id
        WHERE a.target_id = (SELECT id FROM p) AND a.inherited = 0 AND a.target_kind = 'project'
        UNION SELECT a.role_id FROM mine JOIN assignments a ON a.actor_id = mine.id
        WHERE a.inherited = 1 AND a.target_id IN (SELECT id FROM above)
    )
    SELECT {", ".join(f"u.{column}" for column in USERS.columns)}, p.id, p.domain_id, {VERSION}, held.role_id
    FROM u LEFT JOIN p ON 1 = 1 LEFT JOIN held ON 1 = 1
    """


async def read(tx: Tx, memory: IdentityMemory, who: UserRef, wanted: ProjectRef) -> tuple[User | None, Granted]:
    key = "login", who.id, who.name, who.domain, wanted
    known: tuple[User, Granted] | None = memory.get(key)
    if known is not None and await revocations.is_current(tx, memory):
        return known
    generation = memory.generation
    user, project = user_condition(who), project_condition(wanted)
    rows = await tx.rows(_sql(user, project), *user.values, *project.values)
    if not rows:
        return None, Granted(project=None, roles=frozenset())
    *_, project_id, domain_id, version, _ = rows[0]
    place = Place(project_id, domain_id) if project_id is not None else None
    direct = [str(row[-1]) for row in rows if row[-1] is not None]
    found = USERS.from_row(rows[0][:_COUNT]), Granted(place, (await role_map(tx, memory, version)).names(direct))
    if place is not None:
        memory.keep(key, found, generation)
    return found
