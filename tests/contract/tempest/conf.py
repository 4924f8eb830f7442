"""A tempest.conf for a cloud of ours, from what its own API says."""

import configparser
from pathlib import Path

from tests.contract.conftest import RealCloud

Sections = dict[str, dict[str, str]]


def write(sections: Sections, path: Path) -> None:
    conf = configparser.RawConfigParser()
    conf.read_dict(
        sections
        | {
            "DEFAULT": {"log_dir": str(path.parent), "log_file": "tempest.log"},
            "oslo_concurrency": {"lock_path": str(path.parent / "locks")},
        }
    )
    with path.open("w") as file:
        conf.write(file)


def identity(auth: dict[str, str]) -> Sections:
    """What every run needs: who the admin is, and what identity can do."""
    return {
        "auth": {
            "use_dynamic_credentials": "true",
            "create_isolated_networks": "true",
            "admin_username": auth["username"],
            "admin_password": auth["password"],
            "admin_project_name": auth["project_name"],
            "admin_domain_name": auth["user_domain_name"],
            "default_credentials_domain_name": auth["user_domain_name"],
        },
        "identity": {"uri_v3": auth["auth_url"], "auth_version": "v3", "region": "RegionOne"},
        "identity-feature-enabled": {"api_v2": "false", "api_v3": "true", "trust": "true"},
        "service_available": dict.fromkeys(
            ("nova", "glance", "neutron", "cinder", "swift", "horizon", "heat"), "false"
        ),
    }


def all_services(cloud: RealCloud) -> Sections:
    """Of a cloud with real engines: guests boot, and tests log in to them."""
    images = {row["Name"]: row["ID"] for row in cloud.openstack("image", "list")}
    public = next(row for row in cloud.openstack("network", "list", "--external"))
    aliases = [row["Alias"] for row in cloud.openstack("extension", "list", "--network")]
    flavors = {row["Name"]: row["ID"] for row in cloud.openstack("flavor", "list")}
    sections = identity(cloud.auth)
    sections["service_available"] |= {"nova": "true", "glance": "true", "neutron": "true"}
    return sections | {
        "compute": {
            "image_ref": images["guest"],
            "image_ref_alt": images["guest"],
            "flavor_ref": flavors["trivet.nano"],
            "flavor_ref_alt": flavors["trivet.micro"],
            "min_compute_nodes": "1",
            "build_timeout": "196",
            "hypervisor_type": "QEMU",
        },
        "network": {
            "public_network_id": public["ID"],
            "floating_network_name": public["Name"],
            "project_networks_reachable": "false",
        },
        "network-feature-enabled": {"api_extensions": ",".join(sorted(aliases)), "port_security": "true"},
        "validation": {
            "run_validation": "true",
            "connect_method": "floating",
            "auth_method": "keypair",
            "image_ssh_user": "cirros",
            "image_alt_ssh_user": "cirros",
            "network_for_ssh": public["Name"],
            "ssh_key_type": "ecdsa",
            "ssh_timeout": "196",
        },
    }
