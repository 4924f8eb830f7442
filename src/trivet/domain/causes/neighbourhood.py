"""The neighbourhood of news: what may be at fault for it, all signs of that, and who else stands there.

Beginning with what the news is about, it goes down to what that stands on, up again to all that stands there, and once
more for what is met on the way. Every question is asked by an index and bounded, so that a large cloud costs no more
than the part of it that something happened to.
"""

from collections.abc import Iterable, Mapping

import msgspec

from trivet.domain.causes import components, links
from trivet.domain.causes.fault_reports import FAULT_REPORTS, FaultReport
from trivet.domain.causes.graph import Graph
from trivet.domain.causes.inference import Case, Sign, independent
from trivet.domain.causes.words import host_in, kind_of, name_of
from trivet.store.tx import Tx
from trivet.store.where import Where

HOSTS_MOST = 1000
REPORTS_MOST = 2000
_PROJECTS_MOST = 50_000
_ROUNDS = 3
_ABOVE_ROUNDS = 8
ALONE: Mapping[str, float] = {"management": 1e-4, "tenant": 1e-4, "power": 1e-4, "agent": 0.02, "engines": 1e-3}
"""Probes that say something of a host, and how often one is down without any fault of a machine."""
_MONITOR_ALONE = 1e-5


class News(msgspec.Struct):
    """What changed: by component, and reports by id."""

    components: set[str] = msgspec.field(default_factory=set)
    reports: set[str] = msgspec.field(default_factory=set)
    hosts: set[str] = msgspec.field(default_factory=set)
    """By id."""

    def __bool__(self) -> bool:
        return bool(self.components or self.reports or self.hosts)


class Neighbourhood(msgspec.Struct):
    graph: Graph
    candidates: set[str]
    """All whose signs are all here, so that it can be said whether they are at fault."""
    reports: dict[str, FaultReport]
    beneath: dict[str, dict[str, float]]
    """Report -> all that may be at fault for it, with how well that would explain it."""
    own: dict[str, list[Sign]]
    """Host, or "" -> signs that the cloud sees there itself, or is told by monitors."""
    hosts: dict[str, str]
    """Name -> id."""
    case: Case
    last_up: dict[str, float]
    """Sign of the cloud's own that is up -> since when; of a monitor, when it said so last."""


async def around(tx: Tx, news: News) -> Neighbourhood:
    view = _View(tx)
    await view.begin(news)
    for _ in range(_ROUNDS):
        if not await view.grow():
            break
    return await view.seen()


async def beneath(tx: Tx, component: str) -> set[str]:
    """All that it stands on."""
    view = _View(tx)
    await view.begin(News(components={component}))
    return set(view.graph.beneath({component: 1.0})) - {component}


class _View:
    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.graph = Graph()
        self._hosts: dict[str, str] = {}
        self._met: set[str] = set()
        """Components of which it is known on what they stand."""
        self._climbed: set[str] = set()
        """Components of which it is known what stands on them."""
        self._reports: dict[str, FaultReport] = {}
        self._stands: dict[str, dict[str, float]] = {}

    async def begin(self, news: News) -> None:
        found = set(news.components)
        if news.hosts:
            where = Where().any_of("id", sorted(news.hosts))
            found |= _of_hosts(str(row[0]) for row in await self._rows(f"SELECT name FROM hosts{where.sql}", where))
        if news.reports:
            where = Where().any_of("report_id", sorted(news.reports))
            sql = f"SELECT DISTINCT component FROM fault_report_stands{where.sql}"
            found |= {str(row[0]) for row in await self._rows(sql, where)}
        await self._down(found)

    async def _rows(self, sql: str, where: Where) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self._tx.rows(sql, *where.values)]

    async def grow(self) -> bool:
        """Up to all that stands on what is known by now, and down from what that stands on besides."""
        before = len(self._met)
        await self._up()
        await self._read_reports()
        await self._down({component for stands in self._stands.values() for component in stands})
        return len(self._met) > before

    # -- down

    async def _down(self, components: set[str]) -> None:
        rest = components - self._met
        while rest:
            self._met |= rest
            lower = await self._declared(rest) | await self._of_backends(rest) | await self._of_rows(rest)
            rest = lower - self._met

    async def _declared(self, components: set[str]) -> set[str]:
        found = await links.below(self._tx, components)
        for link in found:
            self.graph.stand(link.component, link.stands_on, redundant=link.redundant)
        return {link.stands_on for link in found}

    async def _of_rows(self, components: set[str]) -> set[str]:
        """What follows from what a component is."""
        found: set[str] = set()
        names = {name for component in components if (name := host_in(component)) is not None}
        await self._know(names)
        cards = await self._cards(names)
        for component in components:
            kind, name = kind_of(component), host_in(component)
            if name is None or name not in self._hosts:
                continue
            if kind in ("engine", "chassis"):
                self.graph.stand(component, f"host:{name}")
                found.add(f"host:{name}")
            if kind == "chassis" and not any(kind_of(on) == "nic" for on in self.graph.beneath({component: 1.0})):
                for number, fabric in cards.get(name, [(None, "")]):
                    card = f"nic:{name}:tenant" if number is None else f"nic:{name}:card{number}"
                    self.graph.stand(component, card, redundant=len(cards.get(name, ())) > 1)
                    found.add(card)
                    if fabric:
                        self.graph.stand(card, f"switch:{fabric}")
                        found.add(f"switch:{fabric}")
        return found

    async def _know(self, names: set[str]) -> None:
        where = Where().any_of("name", sorted(names - self._hosts.keys()))
        self._hosts |= {str(r[1]): str(r[0]) for r in await self._rows(f"SELECT id, name FROM hosts{where.sql}", where)}

    async def _cards(self, names: set[str]) -> dict[str, list[tuple[int | None, str]]]:
        """Of physical machines, which know their cards and where those are cabled to."""
        where = Where().any_of("h.name", sorted(names & self._hosts.keys()))
        sql = "SELECT h.name, c.number, c.fabric FROM host_cards c JOIN hosts h ON h.id = c.host_id"
        found: dict[str, list[tuple[int | None, str]]] = {}
        for name, number, fabric in await self._tx.rows(f"{sql}{where.sql} ORDER BY h.name, c.number", *where.values):
            found.setdefault(str(name), []).append((int(number), str(fabric)))
        return found

    async def _of_backends(self, components: set[str]) -> set[str]:
        """A back end that is on a host stands on it."""
        ids = [name_of(component) for component in components if kind_of(component) == "storage"]
        where = Where().any_of("b.id", sorted(ids))
        sql = f"SELECT b.id, h.name FROM volume_backends b JOIN hosts h ON h.id = b.host_id{where.sql}"
        found = [(f"storage:{row[0]}", f"host:{row[1]}") for row in await self._rows(sql, where)]
        for backend, host in found:
            self.graph.stand(backend, host)
        return {host for _, host in found}

    # -- up

    async def _up(self) -> None:
        """What stands on what is known: by links, by cards, and what a host is made of."""
        rest = self._met - self._climbed
        for _ in range(_ABOVE_ROUNDS):
            if not rest or len(self._hosts) > HOSTS_MOST:
                return
            self._climbed |= rest
            found = {link.component for link in await links.above(self._tx, rest)}
            found |= await self._cabled_to(rest) | await self._backends_on(rest)
            found |= {f"chassis:{name}" for c in rest if kind_of(c) == "nic" and (name := host_in(c)) is not None}
            found |= {of for c in rest if kind_of(c) == "host" for of in _of_hosts([name_of(c)])}
            await self._down(found)
            rest = self._met - self._climbed

    async def _cabled_to(self, components: set[str]) -> set[str]:
        fabrics = [name_of(component) for component in components if kind_of(component) == "switch"]
        where = Where().any_of("c.fabric", sorted(fabrics))
        sql = f"SELECT DISTINCT h.name FROM host_cards c JOIN hosts h ON h.id = c.host_id{where.sql} ORDER BY h.name"
        return {f"chassis:{row[0]}" for row in await self._rows(sql, where)}

    async def _backends_on(self, components: set[str]) -> set[str]:
        where = Where().any_of("h.name", sorted(name_of(c) for c in components if kind_of(c) == "host"))
        sql = f"SELECT b.id FROM volume_backends b JOIN hosts h ON h.id = b.host_id{where.sql}"
        return {f"storage:{row[0]}" for row in await self._rows(sql, where)}

    async def _read_reports(self) -> None:
        where = Where().any_of("s.component", sorted(self._met))
        sql = (
            f"SELECT DISTINCT s.report_id FROM fault_report_stands s JOIN fault_reports r ON r.id = s.report_id"
            f"{where.sql} AND r.ended_at IS NULL ORDER BY s.report_id LIMIT {REPORTS_MOST}"
        )
        new = {str(row[0]) for row in await self._rows(sql, where)} - self._reports.keys()
        if not new:
            return
        for report in await self._tx.select(FAULT_REPORTS, Where().any_of("id", sorted(new)), order="id"):
            self._reports[report.id] = report
            self._stands[report.id] = {}
        where = Where().any_of("report_id", sorted(new))
        sql = f"SELECT report_id, component, strength FROM fault_report_stands{where.sql}"
        for report_id, component, strength in await self._tx.rows(sql, *where.values):
            self._stands[str(report_id)][str(component)] = float(strength)

    # -- what is seen

    async def seen(self) -> Neighbourhood:
        own: dict[str, list[Sign]] = {}
        last_up: dict[str, float] = {}
        await self._probes(own, last_up)
        own[""] = await self._monitors(last_up)
        beneath = {id: self.graph.beneath(self._stands[id]) for id in sorted(self._reports)}
        witnesses = independent((report.witness, report.user_id) for report in self._reports.values())
        said = [
            Sign(id=f"report:{id}", down=True, beneath=below, witness=witnesses[report.witness, report.user_id])
            for id, below in beneath.items()
            for report in [self._reports[id]]
        ]
        signs = [*(sign for name in sorted(own) for sign in own[name]), *said]
        return Neighbourhood(
            graph=self.graph,
            candidates=set(self._climbed),
            reports=self._reports,
            beneath=beneath,
            own=own,
            hosts=self._hosts,
            case=Case(signs=signs, projects=await self._projects()),
            last_up=last_up,
        )

    async def _probes(self, own: dict[str, list[Sign]], last_up: dict[str, float]) -> None:
        names = {id: name for name, id in self._hosts.items()}
        where = Where().any_of("host_id", sorted(names)).any_of("name", sorted(ALONE)).add("value <> 'unknown'")
        sql = f"SELECT host_id, name, value, since FROM host_probes{where.sql} ORDER BY host_id, name"
        for host_id, probe, value, since in await self._tx.rows(sql, *where.values):
            host = names[str(host_id)]
            id = f"probe:{host}:{probe}"
            beneath = self.graph.beneath(self._looked_at(host, str(probe)))
            sign = Sign(id=id, down=value == "down", beneath=beneath, alone=ALONE[str(probe)])
            own.setdefault(host, []).append(sign)
            if value == "up":
                last_up[id] = float(since)

    def _looked_at(self, host: str, probe: str) -> dict[str, float]:
        """By which a probe's answer comes. An echo between hosts is the kernel's: what carries servers' packets has
        no part in it."""
        if probe == "engines":
            return {f"engine:{host}": 1.0}
        found = {f"host:{host}": 1.0}
        if probe == "tenant":
            on = self.graph.beneath({f"chassis:{host}": 1.0})
            found |= {c: strength for c, strength in on.items() if kind_of(c) == "nic" and host_in(c) == host}
        elif probe in ("management", "agent"):
            found[f"nic:{host}:management"] = 1.0
        return found

    async def _monitors(self, last_up: dict[str, float]) -> list[Sign]:
        signs = []
        for state in await components.of(self._tx, self._met):
            if state.value == "unknown":
                continue
            id = f"monitor:{state.component}"
            beneath = self.graph.beneath({state.component: 1.0})
            signs.append(Sign(id=id, down=state.value == "down", beneath=beneath, alone=_MONITOR_ALONE))
            if state.value == "up":
                last_up[id] = state.said_at
        return signs

    async def _projects(self) -> dict[str, int]:
        """Component -> how many projects have something on it."""
        found: dict[str, set[str]] = {}

        def stand(projects: Iterable[str], base: dict[str, float]) -> None:
            for component in self.graph.beneath(base):
                found.setdefault(component, set()).update(projects)

        names = {id: name for name, id in self._hosts.items()}
        for host_id, projects in (await self._who("servers", "host_id", names, " AND deleted_at IS NULL")).items():
            host = names[host_id]
            stand(projects, {f"engine:{host}": 1.0, f"chassis:{host}": 1.0})
        for kind, table, column in (("storage", "volumes", "backend_id"), ("network", "ports", "network_id")):
            ids = {name_of(component) for component in self._met if kind_of(component) == kind}
            for id, projects in (await self._who(table, column, ids)).items():
                stand(projects, {f"{kind}:{id}": 1.0})
        return {component: len(projects) for component, projects in found.items()}

    async def _who(self, table: str, column: str, ids: Iterable[str], more: str = "") -> dict[str, set[str]]:
        where = Where().any_of(column, sorted(ids))
        sql = f"SELECT DISTINCT {column}, project_id FROM {table}{where.sql}{more} LIMIT {_PROJECTS_MOST}"
        found: dict[str, set[str]] = {}
        for id, project_id in await self._tx.rows(sql, *where.values):
            found.setdefault(str(id), set()).add(str(project_id))
        return found


def _of_hosts(names: Iterable[str]) -> set[str]:
    """What of a host can be at fault, and is looked at."""
    return {
        component
        for name in names
        for component in (f"engine:{name}", f"chassis:{name}", f"nic:{name}:management", f"host:{name}")
    }
