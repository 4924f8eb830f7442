"""Starting: what has to be looked at by whoever did not follow the log from its beginning."""

from trivet.domain.causes import root_causes
from trivet.domain.causes.neighbourhood import ALONE, News
from trivet.store.tx import Tx
from trivet.store.where import Where

_MOST = 20_000


async def all_open(tx: Tx) -> News:
    """All that speaks of a fault, and all that was concluded."""
    sql = f"SELECT id FROM fault_reports WHERE ended_at IS NULL ORDER BY last_at DESC LIMIT {_MOST}"
    reports = {str(row[0]) for row in await tx.rows(sql)}
    where = Where().any_of("name", sorted(ALONE)).equal("value", "down")
    sql = f"SELECT DISTINCT host_id FROM host_probes{where.sql} ORDER BY host_id LIMIT {_MOST}"
    hosts = {str(row[0]) for row in await tx.rows(sql, *where.values)}
    sql = f"SELECT component FROM component_states WHERE value = 'down' ORDER BY component LIMIT {_MOST}"
    components = {str(row[0]) for row in await tx.rows(sql)}
    components |= {cause.component for cause in await root_causes.open_all(tx, _MOST)}
    return News(components, reports, hosts)
