"""Projects: what things belong to. A domain is a project that holds users, groups and other projects."""

from typing import Any

from trivet.store.tables import Record, Table

DEFAULT_DOMAIN = "default"


class Project(Record, frozen=True, kw_only=True):
    name: str
    domain_id: str | None
    """None of a domain."""
    parent_id: str | None
    """The domain, for a project at the top."""
    is_domain: bool = False
    enabled: bool = True
    description: str = ""
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}


PROJECTS = Table("projects", Project)
