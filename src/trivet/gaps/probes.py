"""Probes: what of the register shows from outside, tried against any cloud of clouds.yaml.

A probe is given an admin's openstacksdk connection and answers in a sentence. It makes little, under names of
its own, and takes it away again. What a probe cannot decide from outside it says to be unknown.
"""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trivet.errors import Invalid
from trivet.gaps.register import Gap

Answer = tuple[bool | None, str]
Probe = Callable[[Any], Answer]


def run(cloud: str, gaps: list[Gap]) -> list[dict[str, Any]]:
    """One row a probed gap: id, status (closed, open, unknown), evidence."""
    connection = _connect(cloud)
    return [_row(gap, connection) for gap in gaps]


def _connect(cloud: str) -> Any:
    try:
        import openstack  # noqa: PLC0415 - only probing needs it
        from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
        from openstack.exceptions import ConfigException, SDKException  # noqa: PLC0415
    except ImportError as error:
        raise Invalid("probe.no_sdk", "Probing needs openstacksdk: pip install openstacksdk.") from error
    try:
        connection = openstack.connect(cloud=cloud)
        connection.authorize()
    except ConfigException as error:
        said = str(error).rstrip(".")
        raise Invalid("probe.no_cloud", f"{said}; is OS_CLIENT_CONFIG_FILE its clouds.yaml?") from error
    except (SDKException, ClientException) as error:
        raise Invalid("probe.no_login", f"The cloud {cloud} does not let us in: {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        # The client checks neither the file nor what it says of a cloud.
        said = f"what it says of {cloud}, or its outline, is not what the client expects ({error})"
        raise Invalid("probe.no_cloud", f"clouds.yaml cannot be used: {said}.") from error
    return connection


def _row(gap: Gap, connection: Any) -> dict[str, Any]:
    from keystoneauth1.exceptions import ClientException, EndpointNotFound, Forbidden  # noqa: PLC0415
    from openstack.exceptions import ForbiddenException, SDKException  # noqa: PLC0415

    held: bool | None
    try:
        held, said = PROBES[gap.probe or ""](connection)
    except EndpointNotFound as error:
        held, said = None, str(error)
    except (ForbiddenException, Forbidden):
        held, said = None, "a probe needs an admin of the cloud; this user is not let in"
    except (SDKException, ClientException) as error:
        held, said = False, f"{type(error).__name__}: {str(error)[:200]}"
    except (KeyError, TypeError, ValueError) as error:
        held, said = None, f"an answer that the API does not know: {error!r}"
    status = {True: "closed", False: "open", None: "unknown"}[held]
    return {"id": gap.id, "status": status, "evidence": [said], "wanted": gap.wanted}


@contextmanager
def _project(connection: Any) -> Iterator[Any]:
    project = connection.identity.create_project(name=f"probe-{uuid.uuid4().hex[:8]}", domain_id="default")
    try:
        yield project
    finally:
        connection.identity.delete_project(project)


@contextmanager
def _user(connection: Any, project: Any, role: str) -> Iterator[tuple[Any, str]]:
    password = uuid.uuid4().hex
    user = connection.identity.create_user(name=f"probe-{uuid.uuid4().hex[:8]}", domain_id="default", password=password)
    try:
        connection.identity.assign_project_role_to_user(project, user, connection.identity.find_role(role))
        yield user, password
    finally:
        connection.identity.delete_user(user)


def _login(connection: Any, **auth: Any) -> Any:
    from keystoneauth1.identity import v3  # noqa: PLC0415
    from keystoneauth1.session import Session  # noqa: PLC0415

    kind = v3.ApplicationCredential if "application_credential_id" in auth else v3.Password
    return Session(kind(auth_url=connection.session.auth.auth_url, **auth))


def _endpoint(connection: Any, service: str) -> str:
    from keystoneauth1.exceptions import EndpointNotFound  # noqa: PLC0415

    url = connection.session.get_endpoint(service_type=service, interface="public")
    if url is None:
        raise EndpointNotFound(f"the catalog names no {service} service")
    return str(url).rstrip("/")


# -- probes


def _versions(connection: Any) -> Answer:
    url = _endpoint(connection, "compute")
    for version in ("2.42", "2.53", "2.72", "latest"):
        connection.session.get(f"{url}/servers", headers={"OpenStack-API-Version": f"compute {version}"})
    refused = connection.session.get(
        f"{url}/servers", headers={"OpenStack-API-Version": "compute 2.9999"}, raise_exc=False
    ).status_code
    return refused == 406, f"compute serves 2.42, 2.53, 2.72 and the newest; 2.9999 gives {refused}"


def _project_tags(connection: Any) -> Answer:
    with _project(connection) as project:
        url = f"{connection.session.auth.auth_url.rstrip('/')}/projects/{project.id}/tags"
        connection.session.put(f"{url}/probe")
        tags = connection.session.get(url).json()["tags"]
    return tags == ["probe"], f"a project was tagged and says {tags}"


def _app_credentials(connection: Any) -> Answer:
    with _project(connection) as project, _user(connection, project, "member") as (user, password):
        own = _login(connection, username=user.name, password=password, user_domain_id="default", project_id=project.id)
        rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
        url = f"{connection.session.auth.auth_url.rstrip('/')}/users/{user.id}/application_credentials"
        body = {"application_credential": {"name": "probe", "access_rules": rules}}
        made = own.post(url, json=body).json()["application_credential"]
        limited = _login(connection, application_credential_id=made["id"], application_credential_secret=made["secret"])
        compute = _endpoint(connection, "compute")
        seen = limited.get(f"{compute}/servers", raise_exc=False).status_code
        refused = limited.post(f"{compute}/servers", json={"server": {}}, raise_exc=False).status_code
    return seen == 200 and refused in (401, 403), f"its one rule lets GET through ({seen}) and POST not ({refused})"


def _domain_limits(connection: Any) -> Answer:
    limits = connection.session.get(f"{connection.session.auth.auth_url.rstrip('/')}/registered_limits").json()
    model = connection.session.get(f"{connection.session.auth.auth_url.rstrip('/')}/limits/model").json()["model"]
    count = len(limits["registered_limits"])
    return count > 0, f"{count} registered limits, model {model['name']}; enforcement does not show from outside"


def _signed_tokens(connection: Any) -> Answer:
    token = connection.session.get_token()
    parts = token.split(".")
    if len(parts) != 3:
        return False, "tokens are opaque: they cannot be verified without asking"
    header = json.loads(base64.urlsafe_b64decode(parts[0] + "=="))
    return header.get("alg") == "ES256", f"tokens are JWS, {header.get('alg')}, {len(token)} bytes"


def _system_scope(connection: Any) -> Answer:
    url = f"{connection.session.auth.auth_url.rstrip('/')}/system/users"
    user_id = connection.current_user_id
    roles = connection.session.get(f"{url}/{user_id}/roles").json()["roles"]
    return bool(roles), f"this admin holds {[role['name'] for role in roles]} on the system"


def _reader(connection: Any) -> Answer:
    with _project(connection) as project, _user(connection, project, "reader") as (user, password):
        own = _login(connection, username=user.name, password=password, user_domain_id="default", project_id=project.id)
        said = {}
        for service, path, body in (
            ("compute", "/servers", {"server": {"name": "x", "imageRef": "x", "flavorRef": "x"}}),
            ("network", "/v2.0/networks", {"network": {"name": "probe"}}),
            ("image", "/v2/images", {"name": "probe"}),
        ):
            url = _endpoint(connection, service)
            looks = own.get(f"{url}{path}", raise_exc=False).status_code
            writes = own.post(f"{url}{path}", json=body, raise_exc=False).status_code
            said[service] = (looks, writes)
    held = all(pair == (200, 403) for pair in said.values())
    return held, f"a reader's GET and POST give {said}"


def _image_v1(connection: Any) -> Answer:
    url = _endpoint(connection, "image")
    status = connection.session.get(f"{url}/v1/images", raise_exc=False).status_code
    listed = connection.session.get(f"{url}/versions", raise_exc=False).json()["versions"]
    old = sorted(version["id"] for version in listed if not version["id"].startswith("v2"))
    return status in (
        300,
        404,
    ) and not old, f"GET /v1/images gives {status}; versions listed besides v2: {old or 'none'}"


def _hidden_images(connection: Any) -> Answer:
    url = f"{_endpoint(connection, 'image')}/v2/images"
    body = {"name": "probe", "disk_format": "raw", "container_format": "bare", "os_hidden": True}
    image = connection.image.get_image(connection.session.post(url, json=body).json()["id"])
    try:
        shown = image.id in {found.id for found in connection.image.images()}
        asked = image.id in {found.id for found in connection.image.images(is_hidden=True)}
    finally:
        connection.image.delete_image(image)
    return asked and not shown, f"hidden image in the list: {shown}; in the list of hidden ones: {asked}"


def _used_image_id(connection: Any) -> Answer:
    id = str(uuid.uuid4())
    url = f"{_endpoint(connection, 'image')}/v2/images"
    body = {"id": id, "name": "probe", "disk_format": "raw", "container_format": "bare"}
    connection.session.post(url, json=body)
    connection.session.delete(f"{url}/{id}")
    again = connection.session.post(url, json=body, raise_exc=False).status_code
    if again == 201:
        connection.session.delete(f"{url}/{id}")
    return again == 409, f"an image with the id of a deleted one gives {again} (a purge does not show from outside)"


def _no_os_hosts(connection: Any) -> Answer:
    url = f"{_endpoint(connection, 'compute')}/os-hosts"
    status = connection.session.get(url, headers={"OpenStack-API-Version": "compute 2.43"}, raise_exc=False).status_code
    return status == 404, f"GET /os-hosts at 2.43 gives {status}"


PROBES: dict[str, Probe] = {
    "versions": _versions,
    "project_tags": _project_tags,
    "app_credentials": _app_credentials,
    "domain_limits": _domain_limits,
    "signed_tokens": _signed_tokens,
    "system_scope": _system_scope,
    "reader": _reader,
    "image_v1": _image_v1,
    "hidden_images": _hidden_images,
    "used_image_id": _used_image_id,
    "no_os_hosts": _no_os_hosts,
}
