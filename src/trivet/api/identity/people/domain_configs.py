"""/v3/domains/{domain_id}/config: options that a domain has for itself."""

from typing import Any

from trivet.api.identity.writing import looks, writes
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.identity import personas
from trivet.domain.identity.people import domain_configs
from trivet.domain.identity.people.domain_configs import DEFAULTS, Config
from trivet.errors import Invalid

resource = Resource()

_ALL = "/v3/domains/{domain_id}/config"
_LEVELS = (_ALL, f"{_ALL}/{{group}}", f"{_ALL}/{{group}}/{{option}}")


def _asked(request: Request) -> tuple[str, str | None, str | None]:
    return request.values["domain_id"], request.values.get("group"), request.values.get("option")


def _said(request: Request) -> Config:
    _, group, option = _asked(request)
    config: Any = request.read_object().get("config")
    if not isinstance(config, dict):
        raise Invalid("body.invalid", "'config' is a required property, and must be an object.")
    if group is not None and option is not None and group not in config:
        return {group: config}
    return config


async def _show(request: Request) -> Reply:
    domain_id, group, option = _asked(request)
    if group == "security_compliance":
        # What a password must look like is for everybody who has to choose one.
        found = domain_configs.password_rules(request.parts.settings, domain_id, option)
        return Reply(200, {"config": found})
    if request.caller.domain_id is not None:
        raise personas.refusal("identity:get_domain_config")
    personas.need_sees_all(request.caller, "identity:get_domain_config")
    found = await domain_configs.show(request.tx, request.parts.secrets, domain_id, group, option)
    return Reply(200, {"config": found})


async def _update(request: Request) -> Reply:
    domain_id, group, option = _asked(request)
    secrets = request.parts.secrets
    changed = await domain_configs.update(request.tx, secrets, domain_id, _said(request), group=group, option=option)
    return Reply(200, {"config": changed})


async def _delete(request: Request) -> Reply:
    domain_id, group, option = _asked(request)
    await domain_configs.delete(request.tx, request.parts.secrets, domain_id, group, option)
    return Reply(204)


for _path in _LEVELS:
    resource.on("GET", _path, may="token", decides="system")(_show)
    writes(resource, "PATCH", _path, may="admin")(_update)
    writes(resource, "DELETE", _path, may="admin")(_delete)


@writes(resource, "PUT", _ALL, may="admin")
async def replace(request: Request) -> Reply:
    domain_id, secrets = request.values["domain_id"], request.parts.secrets
    fresh = await domain_configs.replace(request.tx, secrets, domain_id, _said(request))
    found = await domain_configs.show(request.tx, secrets, domain_id, None, None)
    return Reply(201 if fresh else 200, {"config": found})


async def _defaults(request: Request) -> Reply:
    group, option = request.values.get("group"), request.values.get("option")
    domain_configs.check_names(group, option)
    return Reply(200, {"config": domain_configs.part(DEFAULTS, group, option, "default")})


for _path in ("config/default", "config/{group}/default", "config/{group}/{option}/default"):
    looks(resource, f"/v3/domains/{_path}")(_defaults)
