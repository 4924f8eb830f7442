"""Bugs planted on purpose, one at a time."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from trivet.agent import following, sweep
from trivet.agent.server_orders import ServerOrders
from trivet.agent.sweep import Sweep
from trivet.controllers.network.networks import NetworkController
from trivet.domain.host_link import moving_orders
from trivet.domain.hosts import pulse
from trivet.domain.limits import quotas
from trivet.domain.servers import create as server_create
from trivet.domain.servers import moving
from trivet.domain.servers import placing as server_placing
from trivet.domain.servers import state as reports
from trivet.domain.servers.servers import SERVERS
from trivet.drivers.contracts.patience import Calls
from trivet.drivers.sim.machines import SimMachines
from trivet.store import log
from trivet.store.tx import Tx

Mutant = Callable[[pytest.MonkeyPatch], None]


def a_claim_is_not_given_back(patch: pytest.MonkeyPatch) -> None:
    async def nothing(tx: Tx, server: Any) -> None:
        return None

    patch.setattr(server_placing, "leave", nothing)


def quota_is_not_given_back(patch: pytest.MonkeyPatch) -> None:
    async def nothing(tx: Tx, project_id: str, amounts: dict[str, int]) -> None:
        return None

    patch.setattr(quotas, "give_back", nothing)


def strays_are_not_swept(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Sweep) -> None:
        return None

    patch.setattr(Sweep, "once", nothing)


def an_event_is_lost(patch: pytest.MonkeyPatch) -> None:
    original = log.row_of

    def sometimes(change: Any, at: float) -> Any:
        row = original(change, at)
        return (row[0], "nobody", *row[2:]) if change.verb == "updated" and change.revision % 4 == 0 else row

    patch.setattr(log, "row_of", sometimes)


def a_machine_is_not_removed(patch: pytest.MonkeyPatch) -> None:
    async def nothing(order: Any, driver: Any, engines: Any) -> None:
        return None

    patch.setattr(following, "_remove", nothing)


def a_crash_is_not_mended(patch: pytest.MonkeyPatch) -> None:
    original = sweep._holds

    def content(order: Any, found: Any) -> bool:
        return order.settled or original(order, found)

    patch.setattr(sweep, "_holds", content)
    patch.setattr(SimMachines, "crash", _quiet_crash)


def _quiet_crash(self: SimMachines, id: str) -> None:
    """Nobody is told: only the sweep can find it."""
    self._need(id).power = "crashed"


def a_deleted_server_is_ended_before_its_host_says_so(patch: pytest.MonkeyPatch) -> None:
    original = reports.settle

    async def hasty(tx: Tx, report: Any) -> Any:
        from trivet.domain.servers.servers import SERVERS  # noqa: PLC0415

        server = await tx.get(SERVERS, report.server_id)
        if server is not None and server.deleted_at is None and server.want == "gone":
            await server_placing.leave(tx, server)
            await quotas.give_back(tx, server.project_id, server_create.cost(server.flavor))
        return await original(tx, report)

    patch.setattr(reports, "settle", hasty)


def a_server_goes_elsewhere_without_its_claim(patch: pytest.MonkeyPatch) -> None:
    async def carelessly(tx: Tx, server: Any, failed: frozenset[str]) -> Any:
        from trivet.domain.hosts.hosts import HOSTS  # noqa: PLC0415

        return next((host for host in await tx.select(HOSTS, order="id") if host.id not in failed), None)

    patch.setattr(server_placing, "claim_elsewhere", carelessly)


def the_network_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: NetworkController) -> None:
        return None

    patch.setattr(NetworkController, "_compare", nothing)


def a_server_that_failed_is_not_tried_again(patch: pytest.MonkeyPatch) -> None:
    """And the sweep believes that it will be."""

    def wait_for_ever(self: ServerOrders, id: str) -> None:
        self._waiting.add(id)

    patch.setattr(ServerOrders, "_try_later", wait_for_ever)


def a_call_of_an_engine_is_waited_for_without_end(patch: pytest.MonkeyPatch) -> None:
    async def for_ever(self: Calls, subject: str, call: Any, within_s: float) -> Any:
        return await call()

    patch.setattr(Calls, "ended", for_ever)


def a_host_is_judged_by_the_time_of_day(patch: pytest.MonkeyPatch) -> None:
    async def by_the_clock(tx: Tx) -> list[str]:
        await tx.run("UPDATE hosts SET silent = 1 WHERE agent_seen_at < ?", tx.clock.now() - 30)
        return []

    async def never(tx: Tx) -> bool:
        return False

    patch.setattr(pulse, "count", by_the_clock)
    patch.setattr(pulse, "spared", never)


OF_SHARED_TROUBLE: list[Mutant] = [a_host_is_judged_by_the_time_of_day]


def a_server_comes_home_before_its_target_has_let_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moving, "turn_back", moving.return_now)


def the_room_of_a_move_is_kept(patch: pytest.MonkeyPatch) -> None:
    async def let_go(tx: Tx, server: Any) -> Any:
        return await tx.update(SERVERS, server, move=None, other_host_id=None, old_flavor=None)

    patch.setattr(moving, "let_go", let_go)


def who_arrives_is_made_of_its_image(patch: pytest.MonkeyPatch) -> None:
    original = moving_orders.told

    def told(server: Any, order: Any) -> Any:
        found = original(server, order)
        return msgspec.structs.replace(found, image=order.image, brings=()) if found.brings else found

    patch.setattr(moving_orders, "told", told)


MUTANTS: list[Mutant] = [
    a_call_of_an_engine_is_waited_for_without_end,
    a_claim_is_not_given_back,
    quota_is_not_given_back,
    strays_are_not_swept,
    an_event_is_lost,
    a_machine_is_not_removed,
    a_crash_is_not_mended,
    a_deleted_server_is_ended_before_its_host_says_so,
    a_server_goes_elsewhere_without_its_claim,
    the_network_is_not_compared,
    a_server_that_failed_is_not_tried_again,
    a_server_comes_home_before_its_target_has_let_go,
    the_room_of_a_move_is_kept,
    who_arrives_is_made_of_its_image,
]
