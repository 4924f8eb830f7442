"""/allocation_candidates: ways to meet a request for resources right now.

A request has groups, told apart by a suffix of their parameters: resources1, required1, member_of1...
"""

import re

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit.request import Reply, Request, encode
from trivet.api.kit.routes import Resource
from trivet.api.placement import wire
from trivet.domain.placement import allocation_candidates, traits
from trivet.domain.placement.allocation_candidates import Alone, Together
from trivet.domain.placement.candidate_trees import Ask, Candidate, Group
from trivet.domain.placement.provider_summaries import Summary, Usage
from trivet.errors import Invalid

resource = Resource()

_KEY = re.compile(r"^(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?\Z")
_NUMBER = re.compile(r"^[1-9][0-9]*\Z")
_SINCE = {"limit": 1016, "group_policy": 1025, "root_required": 1035, "same_subtree": 1036}
_SINCE_IN_GROUP = {"resources": 1010, "required": 1017, "member_of": 1021, "in_tree": 1031}
_GROUPS_MAX = 50
_ID = "00000000-0000-0000-0000-000000000000"
"""Stands for any provider."""


@resource.on("GET", "/allocation_candidates", may="service", since="1.10")
async def index(request: Request) -> Reply:
    wire.accepts_json(request)
    ask = _ask(request)
    await _check_names(request, ask)
    found = await allocation_candidates.search(request.tx, ask, request.parts.providers)
    asked = frozenset(name for group in ask.groups for name in group.resources)
    return wire.reply(
        request, 200, _together(request, found, asked) if isinstance(found, Together) else _alone(request, found, asked)
    )


# -- what was asked


def _ask(request: Request) -> Ask:
    version = request.version
    suffixes = _suffixes(request)
    subtrees = _same_subtrees(request)
    groups = tuple(_group(request, suffix) for suffix in suffixes)
    if version < _SINCE["same_subtree"]:
        _check_all_have_resources(groups)
    else:
        _check_subtrees(groups, subtrees)
    if version >= 1022:
        _check_conflicts(groups)
    policy = wire.first(request, "group_policy")
    if policy is not None and policy not in ("none", "isolate"):
        raise wire.bad(f"{policy[:64]!r} is not one of ['none', 'isolate']")
    if policy is None and sum(1 for group in groups if group.suffix) > 1:
        raise Invalid(
            "query.invalid",
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.',
        )
    limit = wire.first(request, "limit")
    for said in request.asked_all("limit"):
        if not _NUMBER.match(said):
            raise wire.bad(f"{said[:64]!r} does not match '^[1-9][0-9]*$'")
    required, forbidden = _root_traits(request)
    return Ask(
        groups=groups,
        isolate=policy == "isolate",
        limit=min(int(limit[:18]), 1_000_000) if limit is not None else None,
        root_required=frozenset(required),
        root_forbidden=frozenset(forbidden),
        same_subtrees=subtrees,
        nested_aware=version >= 1029,
    )


def _suffixes(request: Request) -> list[str]:
    """The suffixes of all request groups, in the order in which they were named."""
    found: dict[str, None] = {}
    for name, _ in request.query:
        if name in _SINCE and request.version >= _SINCE[name]:
            continue
        match = _KEY.match(name)
        if match is None or request.version < _SINCE_IN_GROUP[match[1]] or not _suffix_allowed(request, match[2]):
            raise wire.bad(f"{name[:100]!r} does not match any of the parameters of this version")
        found[match[2] or ""] = None
    if len(found) > _GROUPS_MAX:
        raise wire.bad(f"at most {_GROUPS_MAX} groups can be asked for at once")
    return list(found)


def _suffix_allowed(request: Request, suffix: str | None) -> bool:
    if suffix is None:
        return True
    return request.version >= 1033 or (request.version >= 1025 and _NUMBER.match(suffix) is not None)


def _group(request: Request, suffix: str) -> Group:
    said = request.asked(f"resources{suffix}")
    required, forbidden = wire.traits(request, f"required{suffix}")
    member_of, outside = wire.member_of(request, f"member_of{suffix}")
    in_tree = request.asked(f"in_tree{suffix}")
    if in_tree is not None:
        in_tree = wire.uuid(in_tree.strip(), "Invalid query string parameters: Expected 'in_tree' to be a UUID")
    return Group(
        suffix=suffix,
        resources=wire.resources(said) if said is not None else {},
        required=required,
        forbidden=forbidden,
        member_of=member_of,
        outside=outside,
        in_tree=in_tree,
    )


def _check_all_have_resources(groups: tuple[Group, ...]) -> None:
    for what, orphans in (
        ("traits", [f"required{group.suffix}" for group in groups if group.required and not group.resources]),
        (
            "member_of",
            [f"member_of{g.suffix}" for g in groups if (g.member_of or g.outside) and not g.resources],
        ),
    ):
        if orphans:
            raise Invalid(
                "query.invalid",
                f"All {what} parameters must be associated with resources. Found the following orphaned {what} keys:"
                f" {', '.join(orphans)}",
            )
    if not groups:
        raise wire.bad("At least one request group (`resources` or `resources{$S}`) is required.")
    if not all(group.resources for group in groups):
        raise Invalid("query.invalid", "All request groups must specify resources.")


def _check_subtrees(groups: tuple[Group, ...], subtrees: tuple[frozenset[str], ...]) -> None:
    bare = [group.suffix for group in groups if not group.resources]
    if len(bare) == len(groups):
        raise Invalid("query.missing_value", "There must be at least one resources or resources[$S] parameter.")
    together: frozenset[str] = frozenset().union(*subtrees)
    alone = [suffix for suffix in bare if suffix not in together]
    if alone:
        raise Invalid(
            "query.bad_value",
            "Resourceless suffixed group request should be specified in `same_subtree` query param:"
            f" bad group(s) - {alone}.",
        )
    unreal = sorted(together - {group.suffix for group in groups})
    if unreal:
        raise Invalid(
            "query.bad_value",
            f"Real suffixes should be specified in `same_subtree`: {unreal} not found in"
            f" {[group.suffix for group in groups]}.",
        )


def _check_conflicts(groups: tuple[Group, ...]) -> None:
    clashes = sorted(
        f"required{group.suffix}: ({', '.join(sorted(some))})"
        for group in groups
        for some in group.required
        if some <= group.forbidden
    )
    if clashes:
        raise Invalid(
            "query.invalid",
            "Conflicting required and forbidden traits found in the following traits keys: " + ", ".join(clashes),
        )


def _same_subtrees(request: Request) -> tuple[frozenset[str], ...]:
    found = []
    for value in request.asked_all("same_subtree"):
        suffixes = frozenset(part.strip() for part in value.split(","))
        if "" in suffixes:
            raise Invalid("query.bad_value", "Empty string (unsuffixed group) can not be specified in `same_subtree`")
        found.append(suffixes)
    return tuple(found)


def _root_traits(request: Request) -> tuple[set[str], set[str]]:
    values = request.asked_all("root_required")
    if len(values) > 1:
        raise Invalid("query.duplicate", "Query parameter 'root_required' may be specified only once.")
    if not values:
        return set(), set()
    required, forbidden = wire.trait_list(values[0], may_forbid=True)
    if required & forbidden:
        raise Invalid(
            "query.bad_value",
            "Conflicting required and forbidden traits found in root_required:"
            f" {', '.join(sorted(required & forbidden))}",
        )
    return required, forbidden


async def _check_names(request: Request, ask: Ask) -> None:
    await wire.check_classes(request, {name for group in ask.groups for name in group.resources})
    wanted = set(ask.root_required | ask.root_forbidden)
    for group in ask.groups:
        wanted |= group.forbidden.union(*group.required)
    missing = await traits.missing(request.tx, wanted)
    if missing:
        raise Invalid("trait.absent", f"No such trait(s): {', '.join(sorted(missing))}.")


# -- what was found


class AtProvider(msgspec.Struct, frozen=True, gc=False):
    resources: dict[str, int]


class CandidateView(msgspec.Struct, frozen=True, gc=False):
    allocations: dict[str, AtProvider]
    mappings: dict[str, list[str]] | UnsetType = UNSET


class SummaryView(msgspec.Struct, frozen=True, gc=False):
    """Fields that a version does not have are left unset, and so out of the JSON."""

    resources: dict[str, Usage]
    traits: list[str] | UnsetType = UNSET
    parent_provider_uuid: str | UnsetType | None = UNSET
    root_provider_uuid: str | UnsetType = UNSET


def _together(request: Request, found: Together, asked: frozenset[str]) -> object:
    return {
        "allocation_requests": [_candidate(request, candidate) for candidate in found.candidates],
        "provider_summaries": {summary.id: _summary(request, summary, asked) for summary in found.summaries},
    }


def _alone(request: Request, found: Alone, asked: frozenset[str]) -> object:
    """There may be a thousand that differ by their ids alone, and their summaries were told before: bytes are joined,
    where objects would be made only to become these bytes."""
    pattern = Candidate({_ID: found.amounts}, {found.suffix: [_ID]})
    parts = encode(_candidate(request, pattern)).split(_ID.encode())
    ids = [known.id_words for known in found.providers]
    candidates = b",".join([id.join(parts) for id in ids])

    def tell(summary: Summary) -> bytes:
        return encode(_summary(request, summary, asked))

    # A summary changes its form with these versions only, and depends on what was asked only before the last but one.
    shape = (request.version >= 1029, request.version >= 1027 or asked, request.version >= 1017)
    told = [b'"%b":%b' % (id, known.words(shape, tell)) for id, known in zip(ids, found.providers, strict=True)]
    return {
        "allocation_requests": msgspec.Raw(b"[%b]" % candidates),
        "provider_summaries": msgspec.Raw(b"{%b}" % b",".join(told)),
    }


def _candidate(request: Request, candidate: Candidate) -> object:
    if request.version < 1012:
        return {
            "allocations": [
                {"resource_provider": {"uuid": id}, "resources": amounts}
                for id, amounts in candidate.allocations.items()
            ]
        }
    at = {id: AtProvider(amounts) for id, amounts in candidate.allocations.items()}
    return CandidateView(at, candidate.mappings) if request.version >= 1034 else CandidateView(at)


def _summary(request: Request, summary: Summary, asked: frozenset[str]) -> SummaryView:
    version = request.version
    resources = summary.resources
    if version < 1027:
        resources = {name: usage for name, usage in resources.items() if name in asked}
    if version < 1017:
        return SummaryView(resources)
    if version < 1029:
        return SummaryView(resources, summary.traits)
    return SummaryView(resources, summary.traits, summary.parent_id, summary.root_id)
