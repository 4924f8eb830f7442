"""Extra specs: what a flavor promises beside its size. Words that mean something are checked; others are free."""

import re

from trivet.domain.placement.resource_classes import STANDARD_CLASSES
from trivet.domain.placement.standard_traits import STANDARD_TRAITS
from trivet.errors import Invalid

_SET = r"\^?\d+(-\d+)*(,\^?\d+(-\d+)*)*"
_FLAG = r"(?i:true|false|yes|no|on|off|t|f|y|n|1|0)"
_COUNT = r"[1-9]\d*"
_ANY_COUNT = r"\d+"
_NUMBER = r"-?\d+"
_GROUP = r"([a-zA-Z0-9_-]{1,64})?"

_KNOWN = {
    r"accel:device_profile": r".+",
    r"group_policy": r"isolate|none",
    r"hide_hypervisor_id|hw:(hide_hypervisor_id|cpu_realtime|locked_memory|boot_menu|vif_multiqueue_enabled)": _FLAG,
    r"hw:(mem_encryption|pmu|virtio_packed_ring|ephemeral_encryption)|hw_rng:allowed": _FLAG,
    r"hw:cpu_realtime_mask|hw:cpu_dedicated_mask|hw:numa_cpus\.\d+": _SET,
    r"hw:cpu_policy": r"dedicated|shared|mixed",
    r"hw:cpu_thread_policy": r"prefer|isolate|require",
    r"hw:emulator_threads_policy": r"isolate|share",
    r"hw:mem_page_size": r"large|small|any|\d+([kKMGT]i?)?(b|bit|B)?",
    r"hw:(numa_nodes|numa_mem\.\d+|cpu_sockets|cpu_cores|cpu_threads)": _COUNT,
    r"hw:(cpu_max|max_cpu)_(sockets|cores|threads)": _COUNT,
    r"hw:pci_numa_affinity_policy": r"required|preferred|legacy|socket",
    r"hw:mem_encryption_model": r"amd-sev|amd-sev-es|amd-sev-snp",
    r"hw:pmem": r"[a-zA-Z0-9_]+(,[a-zA-Z0-9_]+)*,?",
    r"hw:serial_port_count|hw_rng:rate_(bytes|period)|hw_video:ram_max_mb": _ANY_COUNT,
    r"hw:tpm_model": r"tpm-tis|tpm-crb",
    r"hw:tpm_version": r"1\.2|2\.0",
    r"hw:tpm_secret_security": r"user|host|deployment",
    r"hw:watchdog_action": r"none|pause|poweroff|reset|disabled",
    r"hw:viommu_model": r"intel|smmuv3|virtio|auto",
    r"hw:sound_model": r"sb16|es1370|pcspk|ac97|ich6|ich9|usb|virtio",
    r"hw:usb_model": r"none|qemu-xhci|nec-xhci",
    r"hw:redirected_usb_ports": r"\d|1[0-5]",
    r"hw:ephemeral_encryption_format": r"plain|luks|luksv2",
    r"os:secure_boot": r"disabled|required",
    r"pci_passthrough:alias": r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*",
    r"quota:(cpu_shares|cpu_period|\w+_limit|\w+_shares_share)": _ANY_COUNT,
    r"quota:(disk_(read|write|total)_(bytes|iops)_sec|vif_(inbound|outbound)_(average|peak|burst))": _ANY_COUNT,
    r"quota:(cpu_quota|\w+_reservation)": _NUMBER,
    r"quota:\w+_shares_level": r"custom|high|normal|low",
    rf"resources{_GROUP}:(CUSTOM_[A-Z0-9_]+|{'|'.join(STANDARD_CLASSES)})": _NUMBER,
    rf"trait{_GROUP}:CUSTOM_[A-Z0-9_]+": r"required|forbidden",
    r"trivet:isolation": r"namespaces|vm",
    r"trivet:kind": r"vm|container|metal",
    r"trivet:net_admin": _FLAG,
}
_KNOWN_PATTERNS = [(re.compile(name, re.ASCII), re.compile(value, re.ASCII)) for name, value in _KNOWN.items()]
_TRAIT = re.compile(rf"trait{_GROUP}:(\w+)")
_NAMESPACE = re.compile(rf"accel|hw|hw_rng|hw_video|os|pci_passthrough|quota|resources{_GROUP}|trait{_GROUP}|trivet")


def check(name: str, value: str) -> None:
    """Invalid if a known word has a wrong value, or an unknown one stands in a namespace that we know."""
    for names, values in _KNOWN_PATTERNS:
        if names.fullmatch(name):
            if not values.fullmatch(value):
                raise Invalid("flavor.spec_invalid", f"Validation failed; {value!r} is no value for {name!r}.")
            return
    trait = _TRAIT.fullmatch(name)
    if trait is not None and trait[2] in STANDARD_TRAITS:
        if value not in ("required", "forbidden"):
            raise Invalid("flavor.spec_invalid", f"Validation failed; {value!r} is no value for {name!r}.")
        return
    namespace, colon, _ = name.partition(":")
    if colon and _NAMESPACE.fullmatch(namespace):
        raise Invalid(
            "flavor.spec_unknown",
            f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec.",
        )
