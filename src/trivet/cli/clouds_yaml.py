"""clouds.yaml: how everybody's client finds its way in. JSON is YAML, so it needs no library."""

import json
from pathlib import Path
from typing import Any

from trivet.cli.certificate import is_self_signed
from trivet.drivers import durable
from trivet.settings import Settings


def write_clouds_yaml(settings: Settings, password: str | None) -> Path:
    """Cloud `trivet`, as admin. The password is known at the first start only; later it is taken from the file."""
    path = Path(settings.data) / "clouds.yaml"
    known = password or settings.admin_password or password_in(path)
    if known is None:
        return path
    cloud: dict[str, Any] = {
        "auth": {
            "auth_url": f"{settings.url}/identity/v3",
            "username": "admin",
            "password": known,
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": settings.region,
        "identity_api_version": "3",
        "interface": "public",
    }
    if settings.tls_certificate and is_self_signed(Path(settings.tls_certificate)):
        cloud["cacert"] = str(Path(settings.tls_certificate).absolute())
    text = (
        "# The admin of this cloud. Keep it to yourself.\n" + json.dumps({"clouds": {"trivet": cloud}}, indent=2) + "\n"
    )
    durable.write(path, text.encode(), mode=0o600)
    return path


def password_in(path: Path) -> str | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text().partition("\n")[2])
        password = found["clouds"]["trivet"]["auth"]["password"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return password if isinstance(password, str) else None
