"""Tokens: signed claims (JWS ES256) that any process verifies without reading the database.

What a signature cannot tell is what happened since: revocations. They travel in the log, and each process
keeps the few that can still matter in memory (`Revocations`). A verified token is remembered until it ends,
so that the cost of the signature is paid once a process, not once a request.
"""

from base64 import urlsafe_b64encode
from collections import OrderedDict

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from trivet.clock import Clock
from trivet.domain.callers import Caller, expanded
from trivet.errors import Forbidden

_REMEMBERED = 5_000
"""Some 8 MiB. Who has more tokens in use than that pays for a signature now and then, which is 0.1 ms."""
_SEEN_OFF = 2
"""Tokens to look at for each new one: more than one, so that ended tokens leave faster than new ones come."""
_ES256 = ECDSA(SHA256())


class SigningKey(msgspec.Struct, frozen=True):
    id: str
    private_pem: str
    public_pem: str


class Revocations:
    """Cut-off times by what they cut: an audit id, a user, a project, a domain, an application credential, a trust.

    A token is dead if it was issued before the cut-off of anything it rests on.
    """

    def __init__(self) -> None:
        self.cutoffs: dict[tuple[str, str], float] = {}
        self.count = 0
        """Grows with every change: what was concluded before may no longer hold."""

    def cut(self, what: str, id: str, at: float) -> None:
        key = (what, id)
        if self.cutoffs.get(key, -1.0) < at:
            self.cutoffs[key] = at
            self.count += 1

    def forget_before(self, at: float) -> None:
        """Tokens issued before `at` have ended anyway."""
        self.cutoffs = {key: cutoff for key, cutoff in self.cutoffs.items() if cutoff >= at}

    def drop(self, keys: set[tuple[str, str]]) -> None:
        """Something wider was cut in their place."""
        self.cutoffs = {key: cutoff for key, cutoff in self.cutoffs.items() if key not in keys}

    def hit(self, caller: Caller) -> bool:
        cutoffs = self.cutoffs
        if not cutoffs:
            return False
        return any(cutoffs.get(key, -1.0) >= caller.issued_at for key in rests_on(caller))


def rests_on(caller: Caller) -> list[tuple[str, str]]:
    """What kills a token of this caller when it is cut."""
    scope_id = caller.project_id or caller.domain_id or ("all" * caller.system)
    return [
        (what, id)
        for what, id in (
            ("token", caller.audit_id),
            ("chain", caller.parent_audit_id),
            ("user", caller.user_id),
            ("grant", grant_of(caller.user_id, scope_id)),
            ("project", caller.project_id),
            ("domain", caller.domain_id),
            ("domain", caller.user_domain_id),
            ("domain", caller.project_domain_id),
            ("app_credential", caller.app_credential_id),
            ("trust", caller.trust_id),
            ("oauth", caller.oauth_token_id),
            ("user", caller.partner_id),
            ("grant", grant_of(caller.partner_id, scope_id) if caller.partner_id else None),
            ("domain", caller.partner_domain_id),
        )
        if id is not None
    ]


def grant_of(user_id: str, target_id: str) -> str:
    """What a token rests on that speaks for this user in this scope."""
    return f"{user_id}/{target_id}"


def split_grant(grant: str) -> tuple[str, str]:
    user_id, _, target_id = grant.partition("/")
    return user_id, target_id


class Tokens:
    """Issues with the newest key, verifies with every key it knows."""

    def __init__(self, clock: Clock, *, strict_scope: bool = False) -> None:
        self.revocations = Revocations()
        self._clock = clock
        self._strict_scope = strict_scope
        self._signing: tuple[bytes, EllipticCurvePrivateKey] | None = None
        """How each token begins, and what signs it."""
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._remembered: OrderedDict[str, tuple[Caller, int]] = OrderedDict()

    def use_keys(self, signing: SigningKey, others: list[SigningKey]) -> None:
        private = load_pem_private_key(signing.private_pem.encode(), None)
        assert isinstance(private, EllipticCurvePrivateKey)
        head = {"alg": "ES256", "kid": signing.id, "typ": "JWT"}
        self._signing = _b64(msgspec.json.encode(head)) + b".", private
        self._keys = {key.id: _public(key) for key in (signing, *others)}
        self._remembered.clear()

    def issue(self, caller: Caller) -> str:
        assert self._signing is not None
        said: dict[str, object] = {
            "sub": caller.user_id,
            "iat": caller.issued_at,
            "exp": caller.ends_at,
            "jti": caller.audit_id,
            "roles": sorted(caller.roles),
            "methods": caller.methods,
            "ud": caller.user_domain_id,
        }
        for name, value in (
            ("project", caller.project_id),
            ("pd", caller.project_domain_id),
            ("domain", caller.domain_id),
            ("system", caller.system or None),
            ("parent", caller.parent_audit_id),
            ("app", caller.app_credential_id),
            ("trust", caller.trust_id),
            ("tp", caller.partner_id),
            ("tpd", caller.partner_domain_id),
            ("oauth", caller.oauth_token_id),
            ("rules", caller.access_rules),
            ("repositories", caller.repositories),
            ("receipt", caller.receipt or None),
        ):
            if value is not None:
                said[name] = value
        head, private = self._signing
        signed = head + _b64(msgspec.json.encode(said))
        r, s = decode_dss_signature(private.sign(signed, _ES256))
        return (signed + b"." + _b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    def caller(self, token: str) -> Caller:
        """The caller that the token speaks for. Forbidden with status 401 if it is invalid, has ended or was
        revoked."""
        remembered = self._remembered.get(token)
        if remembered is not None:
            caller, checked_at_count = remembered
            if caller.ends_at <= self._clock.now():
                raise self._forgotten(token)
            if checked_at_count != self.revocations.count:
                if self.revocations.hit(caller):
                    raise self._forgotten(token)
                self._remembered[token] = (caller, self.revocations.count)
            self._remembered.move_to_end(token)
            return caller
        caller = self._verified(token)
        narrow = caller.receipt or caller.repositories is not None
        if narrow or caller.ends_at <= self._clock.now() or self.revocations.hit(caller):
            raise unauthorized()
        self._see_off()
        self._remembered[token] = (caller, self.revocations.count)
        return caller

    def _forgotten(self, token: str) -> Forbidden:
        del self._remembered[token]
        return unauthorized()

    def _see_off(self) -> None:
        """Makes room for one. Who ended is used no more, so he drifts to where the least used ones are."""
        now = self._clock.now()
        for _ in range(_SEEN_OFF):
            if not self._remembered:
                return
            token, (caller, _) = next(iter(self._remembered.items()))
            if len(self._remembered) < _REMEMBERED and caller.ends_at > now and not self.revocations.hit(caller):
                return
            del self._remembered[token]

    def receipt(self, receipt: str) -> Caller:
        """What the holder of a receipt has proved so far."""
        caller = self._verified(receipt)
        if not caller.receipt or caller.ends_at <= self._clock.now() or self.revocations.hit(caller):
            raise unauthorized()
        return caller

    def of_registry(self, token: str) -> Caller:
        """Who may do what with which repositories: good for nothing else, and for that nothing else is good."""
        caller = self._verified(token)
        if caller.repositories is None or caller.ends_at <= self._clock.now() or self.revocations.hit(caller):
            raise unauthorized()
        return caller

    def _verified(self, token: str) -> Caller:
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise unauthorized()
            said = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                options={"verify_exp": False, "verify_iat": False, "require": ["sub", "iat", "exp", "jti"]},
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise unauthorized() from error
        return Caller(
            user_id=said["sub"],
            roles=expanded(tuple(said["roles"])),
            project_id=said.get("project"),
            domain_id=said.get("domain"),
            system=bool(said.get("system", False)),
            user_domain_id=said["ud"],
            project_domain_id=said.get("pd"),
            methods=tuple(said["methods"]),
            audit_id=said["jti"],
            parent_audit_id=said.get("parent"),
            issued_at=said["iat"],
            ends_at=said["exp"],
            app_credential_id=said.get("app"),
            trust_id=said.get("trust"),
            partner_id=said.get("tp"),
            partner_domain_id=said.get("tpd"),
            oauth_token_id=said.get("oauth"),
            access_rules=tuple((rule[0], rule[1], rule[2]) for rule in said["rules"]) if "rules" in said else None,
            strict_scope=self._strict_scope,
            repositories=tuple((one[0], one[1], one[2]) for one in said["repositories"])
            if "repositories" in said
            else None,
            receipt=bool(said.get("receipt", False)),
        )


def _b64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _public(key: SigningKey) -> EllipticCurvePublicKey:
    public = load_pem_public_key(key.public_pem.encode())
    assert isinstance(public, EllipticCurvePublicKey)
    return public


def unauthorized() -> Forbidden:
    return Forbidden(
        "token.invalid", "The request you have made requires authentication: send a valid X-Auth-Token.", status=401
    )
