"""What owners and lessees may change through the engine, beside its own rules about whose machine it is.

Those rules let an owner, and in much of it a lessee, rewrite all of a node. But this cloud keeps with a node which
server has it and in which networks its cards are, believes of a port where its cable ends, and runs the engine where it
reaches what no tenant does: whoever writes there is in anybody's network, and has fetched for him what only we may
read. So they have acts, and words that nobody acts on; all else is the operators'.
"""

from typing import Any

import msgspec

from trivet.api.kit.request import Request, encode
from trivet.errors import Forbidden, Invalid

OURS = "trivet"
"""In a node's `extra`: what drivers/metal keeps there."""
_NODE = "/v1/nodes/{node_ident}"
_ACTS = {
    _NODE: ("PATCH",),
    f"{_NODE}/allocation": ("DELETE",),
    f"{_NODE}/maintenance": ("PUT", "DELETE"),
    f"{_NODE}/management/boot_device": ("PUT",),
    f"{_NODE}/management/indicators/{{indicator}}": ("PUT",),
    f"{_NODE}/management/inject_nmi": ("PUT",),
    f"{_NODE}/states/boot_mode": ("PUT",),
    f"{_NODE}/states/console": ("PUT",),
    f"{_NODE}/states/power": ("PUT",),
    f"{_NODE}/states/provision": ("PUT",),
    f"{_NODE}/states/secure_boot": ("PUT",),
    f"{_NODE}/vifs": ("POST",),
    f"{_NODE}/vifs/{{vif_id}}": ("DELETE",),
    "/v1/allocations": ("POST",),
    "/v1/allocations/{allocation_id}": ("PATCH", "DELETE"),
}
_LOOKING = ("GET", "HEAD")
_SCHEMES = ("file:", "ftp:", "http:", "https:", "nfs:", "oci:")
_WORDS = ("description", "lessee", "protected", "protected_reason", "retired", "retired_reason")


class Step(msgspec.Struct):
    """Of a JSON patch."""

    path: str
    start: str | None = msgspec.field(name="from", default=None)


def check(request: Request) -> None:
    if request.caller.is_operator or request.method in _LOOKING:
        return
    place = request.route.removeprefix("/baremetal")
    if not may_be_theirs(request.method, place):
        raise _refusal("This is changed")
    if not request.body:
        return
    said = _said(request.body)
    if _names_an_address(said):
        raise Forbidden(
            "metal.address",
            "Only an operator tells the engine for physical machines to fetch something from an address.",
        )
    if place == _NODE:
        _check_patch(said)
    # What was looked at is what is sent, however often something was said.
    request.body = encode(said)


def may_be_theirs(method: str, path: str) -> bool:
    """Whether the engine is asked whose it is."""
    return method in _LOOKING or method in _ACTS.get(path, ())


def _said(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("body.malformed", f"The request body is not JSON: {error}.") from error


def _names_an_address(said: Any) -> bool:
    """Anywhere in it: images, kernels, config drives, steps, virtual media all may be named by one."""
    left = [said]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one
        elif isinstance(one, str) and ("://" in one or one.strip().lower().startswith(_SCHEMES)):
            return True
    return False


def _check_patch(said: Any) -> None:
    try:
        steps = msgspec.convert(said, list[Step])
    except msgspec.ValidationError as error:
        raise Invalid("body.invalid", f"The request body is no JSON patch: {error}.") from error
    for step in steps:
        for path in (step.path, step.start):
            if path is not None and not _is_only_words(path):
                raise _refusal(f"{path[:64]} of a machine is changed")


def _is_only_words(path: str) -> bool:
    _, first, *rest = [*path.split("/"), ""][:3] if path.startswith("/") else ("", "", "")
    if first == "extra":
        return rest[0] not in ("", OURS) and "~" not in rest[0]
    return first in _WORDS and rest == [""]


def _refusal(what: str) -> Forbidden:
    return Forbidden("metal.operators", f"{what} by an operator only, since this cloud relies on it.")
