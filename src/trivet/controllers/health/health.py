"""Health: one process at a time looks at all hosts by every probe, and writes down what it sees and concludes.

Many looks a second stay in memory (lookout.py); a change of what counts is written at once, in one transaction with
the verdict, the failure's next step and the alarms, so that who is told is told what the rows say.
"""

import asyncio
import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from trivet.controllers.health.failover import Failover
from trivet.controllers.health.lookout import Lookout
from trivet.domain.health import bmcs, failures, probes, telling
from trivet.domain.health.verdict import MANAGEMENT, Judged, Value, is_dead, is_worrying, judge
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.domain.recovery.telling import tell_owners
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.power import PowerDriver
from trivet.drivers.contracts.probe import Finding, Probe, Target
from trivet.errors import Busy
from trivet.parts import Parts
from trivet.store.leases import Lease, Lost, fence
from trivet.store.store import transact
from trivet.store.tx import Tx

_READ_EVERY_S = 1.0
_MANY = 30
"""From so many hosts on, each is looked at less often, so that the work stays the same."""
_logger = logging.getLogger(__name__)


class AgentProbe:
    """What the hosts' rows say of their agents (domain/hosts/pulse.py); it is fed, and looks at nothing itself."""

    name = "agent"
    source = "lease"
    every_s = _READ_EVERY_S
    downs = 1


class HealthController:
    def __init__(self, parts: Parts, eyes: Sequence[Probe], power: PowerDriver, lease: Lease, own_url: str) -> None:
        self._parts = parts
        self._store = parts.store
        self._clock = parts.clock
        self._probes = eyes
        self._lease = lease
        self._own_url = own_url
        self._lookout = Lookout(parts.clock)
        self._failover = Failover(parts, power, lease)
        self._agent = AgentProbe()
        self._hosts: dict[str, Host] = {}
        self._targets: list[Target] = []
        self._due: set[str] = set()
        self._something = asyncio.Event()

    async def run(self) -> None:
        await self.read_hosts()
        async with asyncio.TaskGroup() as group:
            for probe in self._probes:
                group.create_task(self._keep_looking(probe))
            group.create_task(self._keep_reading())
            group.create_task(self._failover.run())
            while True:
                await self.step()
                await self._something.wait()
                self._something.clear()

    # -- looking

    async def _keep_looking(self, probe: Probe) -> None:
        """A probe that fails says nothing; the others go on."""
        while True:
            again = await self.look(probe)
            many = max(1.0, len(self._targets) / _MANY)
            await self._clock.sleep(0.0 if again else probe.every_s * many)

    async def look(self, probe: Probe) -> bool:
        """One look; whether another one should follow at once."""
        try:
            found = await foreseen(f"probe {probe.name}", probe.look(self._targets))
        except DriverError as error:
            found = {target.host_id: Finding("unknown", error.why) for target in self._targets}
        known = {host_id: finding for host_id, finding in found.items() if host_id in self._hosts}
        changed, doubt = self._lookout.saw(probe, known)
        self._note(changed)
        return doubt

    def _note(self, changed: set[str]) -> None:
        if changed:
            self._due |= changed
            self._something.set()

    async def _keep_reading(self) -> None:
        while True:
            await self._clock.sleep(_READ_EVERY_S * max(1.0, len(self._hosts) / (10 * _MANY)))
            await self.read_hosts()
            self._note(set(self._lookout.due()))

    async def read_hosts(self) -> None:
        async with self._store.read() as tx:
            found = await tx.select(HOSTS, order="name")
            known = await bmcs.all_of(tx, self._parts.secrets)
        self._hosts = {host.id: host for host in found}
        self._targets = [
            Target(
                host_id=host.id,
                name=host.name,
                management=self._management(host),
                tenant=_elsewhere(host.address) if not self._is_here(host) else "",
                bmc=known.get(host.id),
            )
            for host in found
        ]
        self._lookout.forget_all_but(self._hosts)
        changed, _ = self._lookout.saw(self._agent, {host.id: self._of_agent(host) for host in found})  # type: ignore[arg-type] # fed
        self._note(changed)

    def _is_here(self, host: Host) -> bool:
        return bool(host.api_url) and host.api_url == self._own_url

    def _management(self, host: Host) -> str:
        if self._is_here(host):
            return ""
        return _elsewhere(host.management_address or (urlsplit(host.api_url).hostname or "" if host.api_url else ""))

    def _of_agent(self, host: Host) -> Finding:
        """What it said before the host fell silent tells nothing of it any more."""
        if host.dead:
            return Finding("unknown", "Nothing was heard of its agent since the host was found dead.")
        if host.silent:
            return Finding("down", "No sign of life of its agent.")
        good_ago_s = self._lookout.good_ago_s(host.id, MANAGEMENT)
        silent = self._lookout.values(host.id).get(MANAGEMENT) == "down"
        if silent and good_ago_s is not None and host.agent_seen_at < self._clock.now() - good_ago_s:
            return Finding("unknown", "Nothing was heard of its agent since the host fell silent.")
        return Finding("up")

    # -- concluding

    async def step(self) -> None:
        """Writes down what changed, host by host: one that cannot be written keeps no other waiting."""
        due, self._due = self._due, set()
        for host_id in sorted(due & self._hosts.keys()):
            try:
                what = f"health of host {host_id}"
                await foreseen(what, transact(self._store, lambda tx, id=host_id: self._conclude(tx, id)), Busy, Lost)  # type: ignore[misc]
            except (Busy, DriverError) as error:
                _logger.warning("What is known of host %s was not written: %s", self._hosts[host_id].name, error)
                self._due.add(host_id)

    def judged(self, host_id: str) -> Judged:
        host = self._hosts[host_id]
        values: dict[str, Value] = self._lookout.values(host_id)
        if values.get("agent") == "up":
            values["agent"] = self._of_agent(host).value
        return judge(values)

    async def _conclude(self, tx: Tx, host_id: str) -> None:
        await fence(tx, self._lease)
        host = await tx.get(HOSTS, host_id)
        if host is None:
            return
        judged = self.judged(host_id)
        said = self._lookout.to_write(host_id)
        await self._next_step(tx, host, judged)
        for one in sorted(said, key=lambda one: one.name):
            await probes.say(tx, host_id, one)
        news = await probes.find(tx, host_id, judged)
        root = await telling.tell(tx, host, judged)
        if root is not None and is_dead(judged.verdict):
            await tell_owners(tx, host_id, root)
        if news:
            level = logging.INFO if judged.verdict in ("up", "unknown") else logging.WARNING
            _logger.log(level, "Host %s is %s: %s", host.name, judged.verdict, judged.why)
            self._failover.look_soon()
        self._lookout.wrote(host_id, said)

    async def _next_step(self, tx: Tx, host: Host, judged: Judged) -> None:
        open = (await failures.open_ones(tx)).get(host.id)
        if open is None:
            if not is_worrying(judged.verdict):
                return
            open = await failures.suspect(tx, host.id, judged.why)
        if is_dead(judged.verdict):
            if open.state == "suspected":
                await failures.confirm(tx, open, judged.why)
        elif not is_worrying(judged.verdict) and judged.verdict != "unknown":
            values = self._lookout.values(host.id)
            if open.state in ("suspected", "confirmed") or values.get("agent") == "up":
                await failures.end(tx, open, judged.why)


def _elsewhere(address: str) -> str:
    """What answers at this machine's own address says nothing of another one."""
    return "" if address.startswith("127.") or address in ("", "::1", "localhost") else address
