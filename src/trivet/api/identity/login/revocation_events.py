"""/v3/OS-REVOKE/events and its forerunners: which tokens died before their time, and why."""

from trivet.api.identity import views
from trivet.api.identity.times import ending
from trivet.api.identity.writing import looks
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso_micros
from trivet.domain.identity.tokens.revocations import REVOCATIONS
from trivet.domain.identity.tokens.tokens import split_grant
from trivet.errors import Invalid, NotFound
from trivet.store.where import Where

resource = Resource()

_FIELDS = {
    "token": "OS-REVOKE:audit_id",
    "chain": "OS-REVOKE:audit_chain_id",
    "user": "user_id",
    "project": "project_id",
    "domain": "domain_id",
    "app_credential": "OS-REVOKE:app_cred_id",
    "trust": "OS-TRUST:trust_id",
    "oauth": "OS-OAUTH1:access_token_id",
}


@looks(resource, "/v3/OS-REVOKE/events")
async def list_events(request: Request) -> Reply:
    since = ending(request.asked("since"))
    where = Where() if since is None else Where().add("cutoff >= ?", since)
    events = []
    for row in await request.tx.select(REVOCATIONS, where, order="cutoff"):
        event = {"issued_before": iso_micros(row.cutoff, "Z"), "revoked_at": iso_micros(row.cutoff, "Z")}
        if row.what == "grant":
            user_id, target_id = split_grant(row.target)
            event |= {"user_id": user_id, "project_id": target_id}
        else:
            event[_FIELDS[row.what]] = row.target
        events.append(event)
    links = {"self": views.url(request, "OS-REVOKE/events"), "next": None, "previous": None}
    return Reply(200, {"events": events, "links": links})


@resource.on("GET", "/v3/auth/tokens/OS-PKI/revoked", may="operator", tx="none")
async def list_pki(request: Request) -> Reply:
    raise Invalid("pki.gone", "There are no PKI tokens any more; ask /v3/OS-REVOKE/events.", status=410)


async def _no_certificates(request: Request) -> Reply:
    raise NotFound("certificates.gone", "Tokens are not signed with certificates.")


for _path in ("ca", "certificates"):
    resource.on("GET", f"/v3/OS-SIMPLE-CERT/{_path}", may="public", tx="none")(_no_certificates)
