"""Actions that say something to a running guest: trigger_crash_dump (since 2.17) and changePassword."""

from trivet.api.compute.servers.actions import ACCEPTED, PATH, accepted
from trivet.api.compute.servers.bodies import Password
from trivet.api.compute.servers.servers import call_of, server_id
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.servers import guest_words

resource = Resource()


class CrashDumpBody(Body, frozen=True, kw_only=True):
    trigger_crash_dump: None


class NewPassword(Body, frozen=True, kw_only=True):
    adminPass: Password  # noqa: N815 - as it is spelled on the wire


class PasswordBody(Body, frozen=True, kw_only=True):
    changePassword: NewPassword  # noqa: N815


@resource.action(PATH, "trigger_crash_dump", may="member", since="2.17")
async def trigger_crash_dump(request: Request) -> Reply:
    request.read(CrashDumpBody)
    return await accepted(request, guest_words.crash_dump)


@resource.action(PATH, "changePassword", may="member")
async def change_password(request: Request) -> Reply:
    password = request.read(PasswordBody).changePassword.adminPass
    sealed = request.parts.secrets.seal(password)
    await guest_words.change_password(request.tx, call_of(request), server_id(request), sealed)
    return Reply(ACCEPTED)
