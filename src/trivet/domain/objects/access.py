"""Access: who may do what in an account, by the roles of its project and by whom containers are shared with.

    owner   a member of the project (or who runs the cloud): everything
    reader  a reader of the project, or of the system: look
    others  what the container's lists say; who has no token at all is one of them

A list is Swift's: `project:user`, `project:*`, `*:user`, `*:*`, the name of a role in the project itself, and, for
reading, from which pages (`.r:*`, `.r:.example.com`, `.r:-bad.example.com`) with `.rlistings` for its list, too.
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.objects import accounts, containers
from trivet.domain.objects.accounts import Account
from trivet.domain.objects.containers import Container
from trivet.errors import Forbidden, Invalid
from trivet.store.tx import Tx

OPERATOR_ROLES = ("member", "swiftoperator")
_REFERRERS = (".r", ".ref", ".referer", ".referrer")
_LISTINGS = ".rlistings"
_DEFAULT_DOMAIN = "default"
_LIKE_AN_ID = re.compile(r"^[0-9a-f]{32}\Z")
_RIGHTS = ("read-only", "read-write", "admin")


class Right(IntEnum):
    NONE = 0
    READ = 1
    WRITE = 2
    """Containers and objects, but nothing that says who may."""
    OWNER = 3


class AccountAcl(msgspec.Struct, forbid_unknown_fields=True, rename="kebab"):
    read_only: list[str] = []
    read_write: list[str] = []
    admin: list[str] = []


def in_account(caller: Caller, project_id: str) -> Right:
    """By roles alone."""
    if not project_id:
        return Right.NONE
    if caller.is_operator:
        return Right.OWNER
    if caller.owns(project_id):
        if any(caller.has(role) for role in OPERATOR_ROLES):
            return Right.OWNER
        return Right.READ if caller.has("reader") else Right.NONE
    return Right.READ if caller.system and caller.has("reader") else Right.NONE


def by_account(caller: Caller, account: Account) -> Right:
    """By whom the account's owner has let in."""
    said = account.metadata.get(accounts.ACL)
    if not said or not caller.user_id:
        return Right.NONE
    acl = msgspec.json.decode(said, type=AccountAcl)
    for right, identities in ((Right.OWNER, acl.admin), (Right.WRITE, acl.read_write), (Right.READ, acl.read_only)):
        if any(_is_named(caller, identity) for identity in identities):
            return right
    return Right.NONE


async def by_container(
    tx: Tx, caller: Caller, container: Container | None, header: str, referrer: str | None, *, lists: bool = False
) -> bool:
    """Whether the list of the container lets him read (or write) objects, or list them."""
    said = container.metadata.get(header) if container is not None else None
    if container is None or not said:
        return False
    entries = said.split(",")
    groups = [entry for entry in entries if not entry.startswith(".")]
    if caller.user_id and (any(_is_named(caller, group) for group in groups) or await _is_called(tx, caller, groups)):
        return True
    pages = [entry[3:] for entry in entries if entry.startswith(".r:")]
    if header == containers.READ and (not lists or _LISTINGS in entries) and _from_there(referrer, pages):
        return True
    return caller.owns(container.project_id) and any(caller.has(group) for group in groups)


def _is_named(caller: Caller, identity: str) -> bool:
    project, colon, user = identity.partition(":")
    if not colon:
        return False
    return user in ("*", caller.user_id) and (project == "*" or caller.owns(project))


async def _is_called(tx: Tx, caller: Caller, groups: list[str]) -> bool:
    """By names, as far as they are those of the default domain: others' names are not ours to tell apart."""
    if not any(":" in group for group in groups) or caller.user_domain_id != _DEFAULT_DOMAIN:
        return False
    if caller.project_domain_id not in (None, _DEFAULT_DOMAIN):
        return False
    user = await tx.row("SELECT name FROM users WHERE id = ?", caller.user_id)
    project = await tx.row("SELECT name FROM projects WHERE id = ?", caller.project_id or "")
    users = {"*", caller.user_id, *_names(user)}
    projects = {"*", caller.project_id, *_names(project)}
    return any(
        left in projects and right in users
        for left, colon, right in (group.partition(":") for group in groups)
        if colon
    )


def _names(row: Sequence[Any] | None) -> list[str]:
    """Who calls himself as another's id is does not become him."""
    return [str(name) for name in row or () if not _LIKE_AN_ID.match(str(name))]


def _from_there(referrer: str | None, hosts: list[str]) -> bool:
    """The last entry that fits decides."""
    try:
        here = urlsplit(referrer or "").hostname or "unknown"
    except ValueError:
        here = "unknown"
    allowed = False
    for host in hosts:
        bare = host.removeprefix("-")
        if bare in ("*", here) or (bare.startswith(".") and here.endswith(bare)):
            allowed = not host.startswith("-")
    return allowed


def refusal(caller: Caller) -> Forbidden:
    if not caller.user_id:
        return Forbidden(
            "token.missing",
            "This server could not verify that you are authorized to access the document you requested.",
            status=401,
        )
    return Forbidden("object.forbidden", "Access was denied to this resource.")


# -- lists as they are said


def cleaned(header: str, said: str) -> str:
    """A container's list in one spelling, or Invalid."""
    found = []
    for raw in said.split(","):
        entry = raw.strip()
        first, colon, rest = (part.strip() for part in entry.partition(":"))
        if not entry:
            continue
        if not colon or not first.startswith("."):
            found.append(entry)
        elif first not in _REFERRERS:
            raise Invalid("acl.designator", f"Unknown designator {first[:64]!r} in ACL: {entry[:256]!r}")
        elif header == containers.WRITE:
            raise Invalid("acl.referrer", f"Referrers not allowed in write ACL: {entry[:256]!r}")
        else:
            found.append(f".r:{_host(entry, rest)}")
    return ",".join(found)


def _host(entry: str, said: str) -> str:
    sign, host = ("-", said[1:].strip()) if said.startswith("-") else ("", said)
    host = host[1:].strip() if host != "*" and host.startswith("*") else host
    if host in ("", "."):
        raise Invalid("acl.referrer", f"No host/domain value after referrer designation in ACL: {entry[:256]!r}")
    return sign + host


def cleaned_account(said: str) -> str:
    """An account's list in one spelling, or Invalid."""
    if not said:
        return ""
    try:
        acl = msgspec.json.decode(said, type=AccountAcl)
    except msgspec.MsgspecError as error:
        raise Invalid("acl.account", f"X-Account-Access-Control is not what it must be: {error}") from error
    return msgspec.json.encode(acl).decode()
