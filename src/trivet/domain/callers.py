"""Callers: who acts, as a token says it. Every act takes one, and sees what this one may see."""

import msgspec

EC2_METHOD = "ec2credential"
_IMPLIED = {
    "admin": frozenset(("admin", "manager", "member", "reader")),
    "manager": frozenset(("manager", "member", "reader")),
    "member": frozenset(("member", "reader")),
    "reader": frozenset(("reader",)),
}


def expanded(roles: tuple[str, ...]) -> frozenset[str]:
    """Role names with all that the built-in ones imply."""
    found = set(roles)
    for role in roles:
        found |= _IMPLIED.get(role, frozenset())
    return frozenset(found)


class Caller(msgspec.Struct, frozen=True):
    """One scope at most: a project, a domain, or the system."""

    user_id: str
    roles: frozenset[str]
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    user_domain_id: str = "default"
    project_domain_id: str | None = None
    methods: tuple[str, ...] = ("password",)
    audit_id: str = ""
    parent_audit_id: str | None = None
    issued_at: float = 0.0
    ends_at: float = 0.0
    app_credential_id: str | None = None
    trust_id: str | None = None
    partner_id: str | None = None
    """The other side of the trust that the token was made with: the trustee if the user is the trustor."""
    partner_domain_id: str | None = None
    oauth_token_id: str | None = None
    access_rules: tuple[tuple[str, str, str], ...] | None = None
    """(service type, method, path) that an application credential was narrowed to; None is everything."""
    strict_scope: bool = False
    repositories: tuple[tuple[str, str, str], ...] | None = None
    """(repository, actions, project) that a registry's token is good for; None: it is no registry's token."""
    receipt: bool = False
    """No token at all: a login that still lacks a proof."""

    def has(self, role: str) -> bool:
        return role in self.roles

    @property
    def is_operator(self) -> bool:
        """May act on everything: the role admin; where the cloud enforces scope, only with the system's."""
        return "admin" in self.roles and (self.system or not self.strict_scope)

    @property
    def is_lent(self) -> bool:
        """Acts with what a user lent: by a trust, an application credential, an OAuth token, or whoever has his key."""
        by_something = self.trust_id or self.app_credential_id or self.oauth_token_id
        return by_something is not None or EC2_METHOD in self.methods

    def owns(self, project_id: str | None) -> bool:
        return project_id is not None and project_id == self.project_id

    def may_see(self, project_id: str | None) -> bool:
        return self.owns(project_id) or self.is_operator or (self.system and "reader" in self.roles)
