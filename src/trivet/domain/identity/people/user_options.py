"""User options: exceptions from the rules for passwords, and which proofs a user must give together."""

from typing import Any

from trivet.errors import Invalid

_FLAGS = frozenset(
    (
        "ignore_change_password_upon_first_use",
        "ignore_lockout_failure_attempts",
        "ignore_password_expiry",
        "ignore_user_inactivity",
        "lock_password",
        "multi_factor_auth_enabled",
    )
)
_RULES = "multi_factor_auth_rules"


def check_options(options: dict[str, Any], *, keep_none: bool = False) -> dict[str, Any]:
    """None takes an option away."""
    for name, value in options.items():
        if value is None and (name in _FLAGS or name == _RULES):
            continue
        if name in _FLAGS and isinstance(value, bool):
            continue
        if name == _RULES and _are_rules(value):
            continue
        raise Invalid("body.invalid", f"There is no option {name[:64]!r} with such a value.")
    return {name: value for name, value in options.items() if keep_none or value is not None}


def _are_rules(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(rule, list) and rule and all(isinstance(method, str) for method in rule) for rule in value
    )


def enough(options: dict[str, Any], methods: tuple[str, ...]) -> bool:
    """Whether these methods satisfy one of the user's rules, if it has any that count."""
    rules = options.get(_RULES)
    if options.get("multi_factor_auth_enabled") is not True or not rules:
        return True
    return any(set(rule) <= set(methods) for rule in rules)
