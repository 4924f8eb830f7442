"""Running the small commands that the kernel and OVS are driven by."""

from trivet.drivers import programs
from trivet.drivers.contracts.errors import DriverError


async def run(*command: str, given: str | None = None, environment: dict[str, str] | None = None) -> str:
    """Its output; raises DriverError with its last words if it fails."""
    code, out, err = await attempt(*command, given=given, environment=environment)
    if code != 0:
        words = err.strip().splitlines() or ["no reason given"]
        raise DriverError(f"{command[0]} failed: {words[-1]}", again=True)
    return out


async def attempt(
    *command: str, given: str | None = None, environment: dict[str, str] | None = None
) -> tuple[int, str, str]:
    try:
        ended = await programs.run(command, given=None if given is None else given.encode(), environment=environment)
    except FileNotFoundError:
        raise DriverError(f"The command {command[0]} is not installed on the host.", again=False) from None
    return ended.code, ended.out.decode(), ended.err.decode()
