"""OpenStack in a test: a fresh simulated cloud in under a second, in this process, with knobs.

    def test_my_tool(trivet_cloud):
        trivet_cloud.temper.failing_once = {"start"}
        conn = trivet_cloud.connect()
        server = conn.create_server("web", image="tiny", flavor="m1.tiny", auto_ip=False, wait=True)
        assert server.status == "ACTIVE"

`pip install trivet` brings the pytest fixture `trivet_cloud`; `SimCloud` is the same for any other framework.
It is a real API over simulated hosts: it proves your client's side, not an engine's.
"""

from trivet.testing.sim_cloud import SimCloud

__all__ = ["SimCloud"]
