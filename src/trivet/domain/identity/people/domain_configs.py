"""Domain configs: options that a domain has for itself, in groups. Kept sealed, since some are passwords.

The groups and options are those that keystone lets a domain set; this cloud keeps all users itself, so they
are kept and shown, and change nothing.
"""

from typing import Any

import msgspec

from trivet.domain.identity.people import projects
from trivet.domain.secrets import Secrets
from trivet.errors import Forbidden, NotFound
from trivet.settings import Settings
from trivet.store.tx import Tx

Config = dict[str, dict[str, Any]]

_LDAP: dict[str, Any] = {
    "url": "ldap://localhost",
    "user": None,
    "suffix": "cn=example,cn=com",
    "query_scope": "one",
    "page_size": 0,
    "user_tree_dn": None,
    "user_filter": None,
    "user_objectclass": "inetOrgPerson",
    "user_id_attribute": "cn",
    "user_name_attribute": "sn",
    "user_mail_attribute": "mail",
    "user_enabled_attribute": "enabled",
    "user_default_project_id_attribute": None,
    "group_tree_dn": None,
    "group_filter": None,
    "group_objectclass": "groupOfNames",
    "group_id_attribute": "cn",
    "group_name_attribute": "ou",
    "group_member_attribute": "member",
    "group_desc_attribute": "description",
    "use_tls": False,
    "tls_cacertfile": None,
    "tls_cacertdir": None,
    "tls_req_cert": "demand",
    "chase_referrals": None,
    "debug_level": None,
}
DEFAULTS: Config = {"identity": {"driver": "sql", "list_limit": None}, "ldap": _LDAP}
_HIDDEN = frozenset((("ldap", "password"),))
"""May be set, and is never shown."""


def check(config: Config, group: str | None = None, option: str | None = None) -> None:
    if not config:
        raise Forbidden("domain_config.empty", "Invalid domain specific configuration: no options specified.")
    for name, options in config.items():
        if name not in DEFAULTS or (group is not None and name != group):
            raise Forbidden("domain_config.group", f"Invalid domain specific configuration: group {name[:64]}.")
        if not isinstance(options, dict) or not options:
            raise Forbidden("domain_config.empty", f"Invalid domain specific configuration: no options in {name}.")
        for entry in options:
            known = entry in DEFAULTS[name] or (name, entry) in _HIDDEN
            if not known or (option is not None and entry != option):
                raise Forbidden(
                    "domain_config.option", f"Invalid domain specific configuration: option {entry[:64]} in {name}."
                )


def check_names(group: str | None, option: str | None) -> None:
    if group is not None and group not in DEFAULTS:
        raise Forbidden("domain_config.group", f"Invalid domain specific configuration: group {group[:64]}.")
    hidden = (group, option) in _HIDDEN
    if group is not None and option is not None and option not in DEFAULTS[group] and not hidden:
        raise Forbidden("domain_config.option", f"Invalid domain specific configuration: option {option[:64]}.")


def password_rules(settings: Settings, domain_id: str, option: str | None) -> Any:
    """The cloud's rules for passwords, shown as the configuration of the default domain."""
    if domain_id != projects.DEFAULT_DOMAIN:
        raise Forbidden(
            "domain_config.group", "Invalid domain specific configuration: security_compliance is not per domain."
        )
    rules = {"password_regex": settings.password_regex or None, "password_regex_description": None}
    return part({"security_compliance": rules}, "security_compliance", option, domain_id)


async def _stored(tx: Tx, secrets: Secrets, domain_id: str) -> Config | None:
    row = await tx.row("SELECT sealed FROM domain_configs WHERE domain_id = ?", domain_id)
    return msgspec.json.decode(secrets.open(row[0]), type=Config) if row is not None else None


async def _store(tx: Tx, secrets: Secrets, domain_id: str, config: Config) -> None:
    if not config:
        await tx.run("DELETE FROM domain_configs WHERE domain_id = ?", domain_id)
        return
    await tx.run(
        "INSERT INTO domain_configs (domain_id, sealed) VALUES (?, ?)"
        " ON CONFLICT (domain_id) DO UPDATE SET sealed = excluded.sealed",
        domain_id,
        secrets.seal(msgspec.json.encode(config).decode()),
    )


def _visible(config: Config) -> Config:
    shown = {
        group: {name: value for name, value in options.items() if (group, name) not in _HIDDEN}
        for group, options in config.items()
    }
    return {group: options for group, options in shown.items() if options}


def _absent(domain_id: str, group: str | None = None, option: str | None = None) -> NotFound:
    what = f"option {option[:64]} in group {group}" if option else f"group {group}" if group else "any options"
    return NotFound("domain_config.absent", f"Could not find {what} in domain configuration for domain {domain_id}.")


def part(config: Config, group: str | None, option: str | None, domain_id: str) -> Any:
    """The whole, {group: {...}} or {option: value}."""
    if group is None:
        return config
    if group not in config:
        raise _absent(domain_id, group)
    if option is None:
        return {group: config[group]}
    if option not in config[group]:
        raise _absent(domain_id, group, option)
    return {option: config[group][option]}


async def show(tx: Tx, secrets: Secrets, domain_id: str, group: str | None, option: str | None) -> Any:
    await projects.need(tx, domain_id, noun="domain")
    check_names(group, option)
    config = _visible(await _stored(tx, secrets, domain_id) or {})
    if group is None and not config:
        raise _absent(domain_id)
    return part(config, group, option, domain_id)


async def replace(tx: Tx, secrets: Secrets, domain_id: str, config: Config) -> bool:
    """Says whether there was none before."""
    await projects.need(tx, domain_id, noun="domain")
    check(config)
    before = await _stored(tx, secrets, domain_id)
    await _store(tx, secrets, domain_id, config)
    return before is None


async def update(
    tx: Tx, secrets: Secrets, domain_id: str, config: Config, *, group: str | None, option: str | None
) -> Config:
    await projects.need(tx, domain_id, noun="domain")
    check_names(group, option)
    check(config, group, option)
    before = await _stored(tx, secrets, domain_id) or {}
    if group is not None:
        part(before, group, option, domain_id)
    after = {name: {**before.get(name, {}), **config.get(name, {})} for name in {**before, **config}}
    await _store(tx, secrets, domain_id, after)
    return _visible(after)


async def delete(tx: Tx, secrets: Secrets, domain_id: str, group: str | None, option: str | None) -> None:
    await projects.need(tx, domain_id, noun="domain")
    check_names(group, option)
    config = await _stored(tx, secrets, domain_id) or {}
    part(config, group, option, domain_id)
    if group is None:
        config = {}
    elif option is None:
        del config[group]
    else:
        del config[group][option]
    await _store(tx, secrets, domain_id, {name: options for name, options in config.items() if options})
