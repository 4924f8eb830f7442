"""Which engines the hosts of this process have: real ones, or the simulation."""

from trivet.hosting.hosts_here import Hosting
from trivet.parts import Parts


async def host_engines(parts: Parts) -> Hosting:
    # Only what is used is loaded: a cloud in a test needs no hypervisor's driver.
    if parts.settings.sim:
        from trivet.hosting.simulated import simulated  # noqa: PLC0415

        return await simulated(parts)
    from trivet.hosting.real import real  # noqa: PLC0415

    return await real(parts)
