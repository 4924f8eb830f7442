"""Just enough of a client to ask a running cloud about itself, as the admin that its clouds.yaml names."""

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from trivet.errors import Busy, Forbidden, Invalid

_PATIENCE_S = 10


class CloudClient:
    def __init__(self, clouds_yaml: Path) -> None:
        try:
            cloud = json.loads(clouds_yaml.read_text().partition("\n")[2])["clouds"]["trivet"]
            auth = cloud["auth"]
            auth_url = str(auth["auth_url"])
            domain = {"name": auth["user_domain_name"]}
            user = {"name": auth["username"], "password": auth["password"], "domain": domain}
            project = {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}
            cacert = cloud.get("cacert")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Invalid(
                "status.no_cloud", f"There is no {clouds_yaml}; name the data directory of a cloud with --data."
            ) from error
        except OSError as error:
            raise Invalid("status.no_cloud", f"Cannot read {clouds_yaml}: {error.strerror}.") from error
        except (ValueError, LookupError, TypeError) as error:
            raise Invalid("status.no_cloud", f"{clouds_yaml} does not name the cloud trivet and its admin.") from error
        self.url = auth_url.removesuffix("/identity/v3")
        self._from = clouds_yaml
        self._trust = trusting(Path(cacert) if cacert else None)
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": project}}}
        self._login = (f"{auth_url}/auth/tokens", json.dumps(body).encode())
        self._token = ""

    def get(self, path: str) -> Any:
        return self._asked(path, None)

    def post(self, path: str, said: object) -> Any:
        return self._asked(path, json.dumps(said).encode())

    def put(self, path: str, said: object) -> Any:
        return self._asked(path, json.dumps(said).encode(), "PUT")

    def _asked(self, path: str, body: bytes | None, method: str | None = None) -> Any:
        """Answers of the cloud. Logs in when there is no token, or when the one there was has ended."""
        if self._token:
            try:
                return self._call(self.url + path, body, {"X-Auth-Token": self._token}, method)[0]
            except Forbidden:
                pass
        self._token = self._call(*self._login, {})[1]["X-Subject-Token"]
        return self._call(self.url + path, body, {"X-Auth-Token": self._token}, method)[0]

    def _call(
        self, url: str, body: bytes | None, headers: dict[str, str], method: str | None = None
    ) -> tuple[Any, Any]:
        try:
            said = {"Content-Type": "application/json", **headers}
            request = urllib.request.Request(url, body, said, method=method)  # noqa: S310
            with urllib.request.urlopen(request, timeout=_PATIENCE_S, context=self._trust) as reply:  # noqa: S310
                return json.load(reply), reply.headers
        except urllib.error.HTTPError as error:
            if error.code == 401:
                raise Forbidden("status.refused", f"The cloud refuses the password in {self._from}.") from error
            raise Busy("status.silent", f"{url} cannot answer: {error}.") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise silent(url, error) from error


def silent(url: str, error: Exception) -> Busy:
    """The error for a cloud that does not answer, dies in the middle of an answer, or is something else that listens
    there."""
    why = getattr(error, "reason", error)
    return Busy("status.silent", f"{_origin(url)} is silent or no cloud ({why}). Is it running?")


def trusting(cacert: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(cacert) if cacert else None)
    except OSError as error:
        raise Invalid("status.no_cloud", f"Cannot read {cacert}: {error.strerror or error}.") from error


def _origin(url: str) -> str:
    """The origin of the service that was asked, which behind a balancer is not the one that we logged in at."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url
