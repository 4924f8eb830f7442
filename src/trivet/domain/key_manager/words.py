"""What clients of a key manager hear that is said in more than one place."""

from trivet.errors import Forbidden, Invalid, NotFound


def not_allowed(doing: str) -> Forbidden:
    return Forbidden(
        "key_manager.forbidden",
        f"{doing} attempt not allowed - please review your user/project privileges",
    )


def issue(doing: str, code: str, reason: str, *, status: int = 400) -> Invalid:
    return Invalid(code, f"{doing} issue seen - {reason}.", status=status)


def mismatch(schema: str, reason: str, name: str) -> Invalid:
    """A body that is not what it should be, and where it is not."""
    return Invalid(
        "body.invalid", f"Provided object does not match schema '{schema}': {reason}. Invalid property: '{name}'"
    )


def secret_absent() -> NotFound:
    return NotFound("secret.absent", "Secret not found.")


def container_absent() -> NotFound:
    return NotFound("secret_container.absent", "Secrets container not found.")
