"""Passcodes that change every half minute: how they are guessed, and how often. One user needs a password as well."""

import base64

from tests.api.identity.identity_cloud import Cloud, NewCloud
from tests.api.one_service import Answer

from trivet.domain.identity.login import totp
from trivet.settings import Settings

SEED = b"12345678901234567890"
LOCKOUT = Settings(lockout_tries=3, lockout_s=100, password_regex=".{2,}")
BOTH = {"multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]}


def code_now(cloud: Cloud) -> str:
    return totp.passcode(SEED, totp.step_at(cloud.clock.now()))


def wrong_code(cloud: Cloud) -> str:
    right = {totp.passcode(SEED, totp.step_at(cloud.clock.now()) + n) for n in (-1, 0, 1)}
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in right)


async def user_with_seed(cloud: Cloud, **fields: object) -> str:
    user = await cloud.make("user", "users", name="u", password="pw", **fields)
    seed = base64.b32encode(SEED).decode()
    await cloud.make("credential", "credentials", user_id=user["id"], type="totp", blob=seed)
    made: str = user["id"]
    return made


async def show_code(cloud: Cloud, user_id: str, code: str, *, password: str = "", receipt: str = "") -> Answer:
    identity: dict[str, object] = {"methods": ["totp"], "totp": {"user": {"id": user_id, "passcode": code}}}
    if password:
        identity["methods"] = ["password", "totp"]
        identity["password"] = {"user": {"id": user_id, "password": password}}
    headers = {"openstack-auth-receipt": receipt} if receipt else {}
    return await cloud.call("POST", "/identity/v3/auth/tokens", {"auth": {"identity": identity}}, token=None,
                            headers=headers)  # fmt: skip


async def test_wrong_passcodes_lock_a_user_out_as_wrong_passwords_do(new_identity: NewCloud) -> None:
    cloud = await new_identity(LOCKOUT)
    user_id = await user_with_seed(cloud)
    for _ in range(3):
        assert "locked" not in (await show_code(cloud, user_id, wrong_code(cloud))).refused(401)
    assert "locked" in (await show_code(cloud, user_id, code_now(cloud))).refused(401)
    assert "locked" in (await cloud.login("u", "pw")).refused(401), "it is one lock for both"
    cloud.clock.added_s += 101
    assert (await show_code(cloud, user_id, code_now(cloud))).status == 201


async def test_wrong_passwords_and_wrong_passcodes_are_counted_together(new_identity: NewCloud) -> None:
    cloud = await new_identity(LOCKOUT)
    user_id = await user_with_seed(cloud)
    await cloud.login("u", "wrong")
    await show_code(cloud, user_id, wrong_code(cloud))
    await cloud.login("u", "wrong")
    assert "locked" in (await show_code(cloud, user_id, code_now(cloud))).refused(401)


async def test_who_knows_the_password_has_no_more_guesses_at_the_passcode(new_identity: NewCloud) -> None:
    """Neither with both at once, nor with a fresh half of a login before each guess, nor by changing the password."""
    cloud = await new_identity(LOCKOUT)
    user_id = await user_with_seed(cloud, options=BOTH)
    assert (await show_code(cloud, user_id, wrong_code(cloud), password="pw")).status == 401
    receipt = (await cloud.login("u", "pw")).headers["openstack-auth-receipt"]
    assert (await show_code(cloud, user_id, wrong_code(cloud), receipt=receipt)).status == 401
    change = {"user": {"password": "x", "original_password": "pw"}}
    assert (await cloud.call("POST", f"/identity/v3/users/{user_id}/password", change, token=None)).status == 400
    assert (await show_code(cloud, user_id, wrong_code(cloud), receipt=receipt)).status == 401
    assert "locked" in (await show_code(cloud, user_id, code_now(cloud), password="pw")).refused(401)
    assert "openstack-auth-receipt" not in (await cloud.login("u", "pw")).headers


async def test_a_whole_login_makes_wrong_passcodes_forgotten(new_identity: NewCloud) -> None:
    cloud = await new_identity(LOCKOUT)
    user_id = await user_with_seed(cloud, options=BOTH)
    for _ in range(3):
        for _ in range(2):
            assert (await show_code(cloud, user_id, wrong_code(cloud), password="pw")).status == 401
        assert (await show_code(cloud, user_id, code_now(cloud), password="pw")).status == 201
        cloud.clock.added_s += 90


async def test_a_right_passcode_without_the_password_makes_nothing_forgotten(new_identity: NewCloud) -> None:
    cloud = await new_identity(LOCKOUT)
    user_id = await user_with_seed(cloud, options=BOTH)
    for _ in range(2):
        assert (await cloud.login("u", "wrong")).status == 401
    half = await show_code(cloud, user_id, code_now(cloud))
    assert half.body["required_auth_methods"] == [["password", "totp"]]
    assert "locked" not in (await cloud.login("u", "wrong")).refused(401)
    assert "locked" in (await cloud.login("u", "pw")).refused(401)


async def test_a_passcode_shown_again_counts_as_a_wrong_one(new_identity: NewCloud) -> None:
    cloud = await new_identity(LOCKOUT)
    user_id = await user_with_seed(cloud)
    code = code_now(cloud)
    assert (await show_code(cloud, user_id, code)).status == 201
    for _ in range(3):
        assert "locked" not in (await show_code(cloud, user_id, code)).refused(401)
    assert "locked" in (await show_code(cloud, user_id, code)).refused(401)
