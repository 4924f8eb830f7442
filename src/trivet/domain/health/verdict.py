"""The verdict on a host, from what its signals say: one rule, written down as a table in docs/health.md.

An agent that is silent is no host that is down: as long as anything else of the host is heard, it lives. A host is
taken for dead only by two signals that agree, and even then its power is cut before anything is done about it.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Value = Literal["up", "down", "unknown"]
Verdict = Literal["up", "impaired", "agent_down", "isolated", "suspect", "lost", "off", "unknown"]

AGENT, MANAGEMENT, TENANT, POWER = "agent", "management", "tenant", "power"
_DECIDING = (AGENT, MANAGEMENT, TENANT, POWER)


class Judged(NamedTuple):
    verdict: Verdict
    why: str


def judge(values: Mapping[str, Value]) -> Judged:
    """`values`: what each signal says, by name; one that there is not says nothing."""
    agent, management, tenant, power = (values.get(name, "unknown") for name in _DECIDING)
    heard = "up" in (agent, management, tenant)
    if power == "down" and not heard:
        return Judged("off", "Its power is off.")
    if agent == "up":
        wrong = sorted(name for name, value in values.items() if value == "down")
        return Judged("impaired", f"Down: {', '.join(wrong)}.") if wrong else Judged("up", "All that is told is well.")
    if management == "up":
        if agent == "down":
            return Judged("agent_down", "Its agent is silent; the host answers.")
        return Judged("up", "The host answers.")
    if tenant == "up":
        if management == "down":
            return Judged("isolated", "It does not answer for management, but it does between the hosts.")
        return Judged("agent_down" if agent == "down" else "up", "It answers between the hosts.")
    silent = [name for name in (AGENT, MANAGEMENT, TENANT) if values.get(name) == "down"]
    if len(silent) > 1:
        return Judged("lost", f"Silent: {' and '.join(silent)}.")
    if silent:
        return Judged("suspect", f"Silent: {silent[0]}; nothing else says so yet.")
    return Judged("unknown", "Nothing is known of it.")


def is_dead(verdict: Verdict) -> bool:
    """Whether it is to be fenced, if it is not yet, and its servers brought back."""
    return verdict in ("lost", "off")


def is_worrying(verdict: Verdict) -> bool:
    return verdict in ("suspect", "lost", "off")
