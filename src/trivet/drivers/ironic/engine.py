"""The engine's processes: Ironic, and who gives addresses to machines while they run its ramdisk."""

import asyncio
import importlib.util
import shutil
import sys

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.ironic.config import READY, Wanted, write
from trivet.drivers.ironic.kept import Process, keep, stop

_READY_S = 120.0
"""On a busy machine; alone it takes two."""
_LEASE = "10m"


def missing(wanted: Wanted) -> list[str]:
    """What this machine lacks for it."""
    lacks = [] if importlib.util.find_spec("ironic") else ["Ironic (pip install 'trivet[metal]')"]
    if "ipmi" in wanted.hardware and shutil.which("ipmitool") is None:
        lacks.append("ipmitool (ipmitool)")
    if wanted.addresses and shutil.which("dnsmasq") is None:
        lacks.append("dnsmasq (dnsmasq-base)")
    return lacks


class Engine:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    async def keep(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(keep("Ironic", self._start_ironic))
            if self._wanted.addresses:
                group.create_task(keep("The deploy network's DHCP", self._start_dhcp))

    async def _start_ironic(self) -> Process:
        """It is at work when it answers."""
        wanted = self._wanted
        write(wanted)
        process = await self._begin(
            "ironic", sys.executable, "-m", "trivet.drivers.ironic.child",
            str(wanted.file), str(wanted.files), wanted.door, wanted.media,
        )  # fmt: skip
        said = b""
        try:
            assert process.stdout is not None
            async with asyncio.timeout(_READY_S):
                said = await process.stdout.readline()
        except TimeoutError:
            pass
        finally:
            if said != READY:
                await stop(process)
        if said != READY:
            raise DriverError(f"Ironic did not start; {wanted.folder}/ironic-process.log says why.", again=True)
        return process

    async def _start_dhcp(self) -> Process:
        """On the interface that has the door's address. It reads no file, and dies with us."""
        first, _, last = self._wanted.addresses.partition("-")
        return await self._begin(
            "dhcp", "setpriv", "--pdeathsig", "KILL", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
            "--pid-file=", "--port=0", "--bind-interfaces", f"--listen-address={self._wanted.door.rpartition(':')[0]}",
            f"--dhcp-range={first},{last},{_LEASE}", "--dhcp-authoritative", "--dhcp-option=option:router",
            f"--dhcp-leasefile={self._wanted.folder}/leases",
        )  # fmt: skip

    async def _begin(self, name: str, *words: str) -> Process:
        with (self._wanted.folder / f"{name}-process.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
