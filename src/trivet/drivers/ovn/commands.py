"""Running the small commands that the kernel and OVS are driven by."""

import asyncio

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
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
    except FileNotFoundError:
        raise DriverError(f"The command {command[0]} is not installed on the host.", again=False) from None
    out, err = await process.communicate(None if given is None else given.encode())
    code = process.returncode
    assert code is not None
    return code, out.decode(), err.decode()
