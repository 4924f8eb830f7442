"""How a guest sees itself: its sockets, cores and threads, and nodes whose memory lies on nodes of the host."""

from trivet.drivers.contracts import cpu_sets
from trivet.drivers.contracts.hardware import SMALL_KIB
from trivet.drivers.contracts.machine import MachineSpec
from trivet.drivers.contracts.topology import GuestNode


def words(spec: MachineSpec) -> list[str]:
    inside = spec.topology
    sockets, cores, threads = (inside.sockets, inside.cores, inside.threads) if inside else (spec.vcpus, 1, 1)
    found = [
        *("-smp", f"cpus={spec.vcpus},sockets={sockets},cores={cores},threads={threads}"),
        *("-m", f"size={spec.memory_mib}M"),
    ]
    for number, node in enumerate(inside.nodes if inside else ()):
        cpus = "".join(f",cpus={run}" for run in cpu_sets.written(node.cpus).split(","))
        found += ["-object", _memory(number, node), "-numa", f"node,nodeid={number}{cpus},memdev=node{number}"]
    return found


def processor(spec: MachineSpec, *, kvm: bool) -> str:
    """A guest looks for threads only where its processor says that it can tell of them: an AMD one by a feature, which
    the emulated one has not, so that has to be another's."""
    threads = spec.topology.threads if spec.topology is not None else 1
    if kvm:
        return "host,topoext=on" if threads > 1 else "host"
    return "max,vendor=GenuineIntel" if threads > 1 else "max"


def _memory(number: int, node: GuestNode) -> str:
    place = f"id=node{number},size={node.memory_mib}M,host-nodes={node.host_node},policy=bind"
    if node.page_kib == SMALL_KIB:
        return f"memory-backend-ram,{place}"
    # At once, or the guest would die of the first page that is not there when it touches it.
    return f"memory-backend-memfd,{place},hugetlb=on,hugetlbsize={node.page_kib}K,prealloc=on"
