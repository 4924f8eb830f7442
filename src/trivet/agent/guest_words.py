"""What a running guest is told: an interrupt, a new password. The machine's marks count what it was told already."""

import msgspec

from trivet.agent.link import Link
from trivet.domain.servers.orders import Order
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import CrashDump, GuestAgent, MachineDriver

_META = "openstack/latest/meta_data.json"
_USER = "root"


class _Told(msgspec.Struct, frozen=True):
    admin_pass: str | None = None


async def tell_guest(order: Order, driver: MachineDriver, link: Link) -> None:
    seen = (await driver.observe(order.server_id))[order.server_id]
    if seen.power not in ("running", "paused"):
        return
    if int(seen.marks.get("interrupts", "0")) < order.interrupts:
        if not isinstance(driver, CrashDump):
            raise DriverError("The kernel of this kind of server cannot be made to dump.", again=False)
        await driver.inject_nmi(order.server_id, {"interrupts": str(order.interrupts)})
    if int(seen.marks.get("passwords", "0")) < order.passwords:
        if not isinstance(driver, GuestAgent):
            raise DriverError("Nothing can be said to the guest of this kind of server.", again=False)
        password = msgspec.json.decode((await link.files(order.server_id))[_META], type=_Told).admin_pass
        user = order.properties.get("os_admin_user", _USER)
        await driver.set_password(order.server_id, user, password or "", {"passwords": str(order.passwords)})
