"""OpenStack in a test: a fresh simulated cloud in under a second, in this process, with knobs.

    def test_my_tool(trivet_cloud):
        trivet_cloud.temper.failing_once = {"start"}
        conn = trivet_cloud.connect()
        server = conn.create_server("web", image="tiny", flavor="m1.tiny", auto_ip=False, wait=True)
        assert server.status == "ACTIVE"

`pip install trivet` brings the pytest fixture `trivet_cloud`; `SimCloud` is the same for any other framework.
It is a real API over simulated hosts: it proves your client's side, not an engine's.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trivet.testing.sim_cloud import SimCloud

__all__ = ["SimCloud"]


def __getattr__(name: str) -> object:
    """The plugin lives here, too, and is loaded in every run of pytest: only who uses a cloud waits for its code."""
    if name != "SimCloud":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trivet.testing.sim_cloud import SimCloud  # noqa: PLC0415

    return SimCloud
