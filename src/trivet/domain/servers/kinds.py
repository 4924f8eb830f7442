"""Kinds: what a server is made of, decided by its image and its flavor, never by the call that makes it.

A flavor may say `trivet:kind`; without that, an OCI image makes a container and any other image a VM.
The two must agree: a container image has no kernel to boot, and a disk image no root file system to enter.
"""

from collections.abc import Mapping

from trivet.domain.servers.words import Kind
from trivet.errors import Forbidden, Invalid
from trivet.settings import ISOLATIONS

KINDS: tuple[Kind, ...] = ("vm", "container", "metal")
FLAVOR_SPEC = "trivet:kind"


ISOLATION_SPEC = "trivet:isolation"


def kind_of(extra_specs: Mapping[str, str], *, container: bool, isolation: str = "namespaces") -> Kind:
    """`container`: the image is one for containers. `isolation`: what the cloud demands of them."""
    if container:
        check_isolation("container", isolation)
        _check_isolation(extra_specs)
    said = extra_specs.get(FLAVOR_SPEC)
    if said is None:
        return "container" if container else "vm"
    for kind in KINDS:
        if kind == said:
            if (kind == "container") != container:
                made_for = "containers" if container else "machines that boot a disk"
                raise Invalid(
                    "server.kind_mismatch", f"The flavor is for the kind {kind}, but the image is for {made_for}."
                )
            return kind
    raise Invalid("flavor.kind_unknown", f"The flavor's {FLAVOR_SPEC} must be one of {', '.join(KINDS)}, not {said!r}.")


def check_isolation(kind: Kind, demanded: str) -> None:
    """For whatever would run a container that does not run: an operator may demand more than any host can give."""
    if kind == "container" and demanded == "vm":
        raise Forbidden(
            "server.isolation_demanded",
            "This cloud runs containers only inside virtual machines of their own (container_isolation=vm), and no host"
            " here can do that yet. Use an image for virtual machines.",
        )


def _check_isolation(extra_specs: Mapping[str, str]) -> None:
    """A wish for more than a host can give is refused: a container that ran with less would look the same."""
    said = extra_specs.get(ISOLATION_SPEC, "namespaces")
    if said not in ISOLATIONS:
        raise Invalid(
            "flavor.isolation_unknown",
            f"The flavor's {ISOLATION_SPEC} must be one of {', '.join(ISOLATIONS)}, not {said!r}.",
        )
    if said == "vm":
        raise Invalid(
            "server.isolation_vm",
            f"The flavor wants {ISOLATION_SPEC}=vm, and no host here can run a container inside a virtual machine yet. "
            "Choose another flavor, or an image for virtual machines.",
        )
