"""Clients that create and delete servers without a pause, and know what was acknowledged.

They ask once: what got no answer may or may not have happened, and is counted as that. What was acknowledged holds.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.outages.alone import COMPUTE, Tenant

_KEPT = 20
_AWAY_S = 0.1
_SETTLE_S = 300.0


class Worker:
    """One client, of whichever of these addresses answers."""

    def __init__(self, number: int, urls: Callable[[], Sequence[str]], image: str) -> None:
        self.answers: Counter[str] = Counter()
        self.odd: list[str] = []
        self.made: list[str] = []
        self.deleted: set[str] = set()
        self.undecided: set[str] = set()
        """Those whose end was asked for, without an answer."""
        self.unanswered_creates = 0
        self._number = number
        self._urls = urls
        self._image = image
        self._count = 0

    def run(self, over: threading.Event) -> None:
        tokens: dict[str, Tenant] = {}
        while not over.is_set():
            self._count += 1
            urls = self._urls()
            url = urls[self._count % len(urls)]
            try:
                tenant = tokens.get(url) or self._login(url)
                tokens[url] = tenant
                self._act(tenant)
            except OSError:
                self.answers["no answer"] += 1
                time.sleep(_AWAY_S)

    def _login(self, url: str) -> Tenant:
        tenant = Tenant(url)
        body = tenant.login_body()
        status, told, headers = tenant.call("POST", "/identity/v3/auth/tokens", body, once=True)
        if status != 201:
            raise ConnectionError(f"{status} {told}")
        tenant.token = headers["X-Subject-Token"]
        return tenant

    def _act(self, tenant: Tenant) -> None:
        there = [id for id in self.made if id not in self.deleted and id not in self.undecided]
        if len(there) > _KEPT:
            self._delete(tenant, there[0])
        else:
            self._create(tenant)

    def _create(self, tenant: Tenant) -> None:
        try:
            status, told = tenant.create(f"w{self._number}-{self._count}", self._image, None, once=True)
        except OSError as error:
            # Who could not even begin to ask has asked for nothing.
            self.unanswered_creates += not isinstance(getattr(error, "reason", None), ConnectionRefusedError)
            raise
        self._note("create", status, told)
        if status == 202:
            self.made.append(told["server"]["id"])

    def _delete(self, tenant: Tenant, id: str) -> None:
        self.undecided.add(id)
        status, told, _ = tenant.call("DELETE", f"{COMPUTE}/servers/{id}", once=True)
        self._note("delete", status, told)
        self.undecided.discard(id)
        if status in (204, 404):
            self.deleted.add(id)

    def _note(self, verb: str, status: int, told: Any) -> None:
        self.answers[f"{verb} {status}"] += 1
        if status >= 500 and status != 503:
            self.odd.append(f"{verb} {status} {told}")


class Load:
    def __init__(self, clients: int, urls: Callable[[], Sequence[str]], image: str) -> None:
        self.workers = [Worker(number, urls, image) for number in range(clients)]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=worker.run, args=(self._over,)) for worker in self.workers]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answers(self) -> dict[str, int]:
        return dict(sorted(sum((worker.answers for worker in self.workers), Counter[str]()).items()))

    def wrong(self, tenant: Tenant) -> list[str]:
        """Promises that were broken, when all has come to rest."""
        made = {id for worker in self.workers for id in worker.made}
        deleted = {id for worker in self.workers for id in worker.deleted}
        undecided = {id for worker in self.workers for id in worker.undecided}
        found = [line for worker in self.workers for line in worker.odd]
        there = {server["id"]: server for server in self._at_rest(tenant)}
        found += [f"{id} was acknowledged and is lost" for id in sorted(made - deleted - undecided - there.keys())]
        found += [f"{id} was deleted and is there" for id in sorted(deleted & there.keys())]
        found += [f"{id} is {one['status']}" for id, one in there.items() if one["status"] != "ACTIVE"]
        if len(there.keys() - made) > sum(worker.unanswered_creates for worker in self.workers):
            found.append(f"{len(there.keys() - made)} servers are there that nobody asked for")
        try:
            tenant.books_balance()
        except AssertionError as error:
            found.append(f"the books do not balance: {error}")
        return found

    def _at_rest(self, tenant: Tenant) -> list[dict[str, Any]]:
        end = time.monotonic() + _SETTLE_S
        while True:
            there = tenant.servers()
            moving = [one for one in there if one["OS-EXT-STS:task_state"] is not None]
            if not moving or time.monotonic() > end:
                return there
            time.sleep(0.5)
