"""One good body for each main resource, to be spoiled; and what can be guessed of the others.

Where nothing is written down, the body is grown from what the refusals say is missing: the errors name the
field and the type they want, so they are schema enough.
"""

import re
from typing import Any

from tests.api.one_service import Answer
from trivet.api.kit.routes import Route

_MISSING = re.compile(r"missing required field `([^`]+)`(?: - at `([^`]+)`)?")
_EXPECTED = re.compile(r"Expected `([^`]+)`, got `[^`]+`(?: - at `([^`]+)`)?")
_NEUTRON = re.compile(r"Unable to find '(\w+)' in request body")
_SAMPLES: dict[str, Any] = {"str": "x", "int": 1, "float": 1.0, "bool": True, "array": [], "object": {}, "null": None}


def good_bodies(held: dict[str, str]) -> dict[str, Any]:
    """METHOD path -> a body that is accepted, or nearly."""
    network, subnet, port, image = (held[name] for name in ("network_id", "subnet_id", "port_id", "image_id"))
    server = {
        "name": "s", "imageRef": image, "flavorRef": "1", "networks": [{"uuid": network, "fixed_ip": "10.1.0.77"}],
        "metadata": {"a": "b"}, "tags": ["t"], "key_name": "key", "user_data": "eHg=", "config_drive": True,
        "min_count": 1, "max_count": 1, "security_groups": [{"name": "default"}], "description": "d",
        "availability_zone": "nova", "adminPass": "p", "accessIPv4": "10.0.0.1", "OS-DCF:diskConfig": "AUTO",
        "block_device_mapping_v2": [{"boot_index": 0, "uuid": image, "source_type": "image",
                                     "destination_type": "local", "delete_on_termination": True}],
    }  # fmt: skip
    user = {"name": "u", "domain": {"id": "default"}, "password": "p"}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
    }
    rule = {
        "security_group_id": held["security_group_id"], "direction": "ingress", "ethertype": "IPv4",
        "protocol": "tcp", "port_range_min": 1, "port_range_max": 2, "remote_ip_prefix": "10.0.0.0/8",
        "remote_group_id": None, "description": "d",
    }  # fmt: skip
    provider = "/allocations/{consumer_uuid}"
    key = {"name": "k", "algorithm": "aes", "bit_length": 128, "mode": "cbc", "expiration": "2999-01-01T00:00:00"}
    kept = f"http://cloud:8774/key-manager/v1/secrets/{held['secret_id']}"
    use = {"service": "s", "resource_type": "t", "resource_id": "r"}
    return {
        "POST /v1/secrets": key | {"payload": "p", "payload_content_type": "text/plain", "secret_type": "opaque"},
        "PUT /v1/secrets/{secret_id}/metadata": {"metadata": {"a": "b"}},
        "POST /v1/secrets/{secret_id}/metadata": {"key": "a", "value": "b"},
        "PUT /v1/secrets/{secret_id}/metadata/{key}": {"key": "x", "value": "b"},
        "PUT /v1/secrets/{secret_id}/acl": {"read": {"users": ["u"], "project-access": True}},
        "PATCH /v1/secrets/{secret_id}/acl": {"read": {"users": ["u"], "project-access": True}},
        "POST /v1/secrets/{secret_id}/consumers": use,
        "DELETE /v1/secrets/{secret_id}/consumers": use,
        "POST /v1/containers": {"name": "c", "type": "generic", "secret_refs": [{"name": "a", "secret_ref": kept}]},
        "PUT /v1/containers/{container_id}/acl": {"read": {"users": ["u"], "project-access": True}},
        "POST /v1/containers/{container_id}/consumers": {"name": "n", "URL": "u"},
        "POST /v1/containers/{container_id}/secrets": {"name": "a", "secret_ref": kept},
        "DELETE /v1/containers/{container_id}/secrets": {"name": "a", "secret_ref": kept},
        "POST /v1/orders": {"type": "key", "meta": key},
        "PUT /v1/project-quotas/{project_id}": {"project_quotas": {"secrets": -1, "cas": 3}},
        "POST /v2.1/servers": {"server": server, "os:scheduler_hints": {"group": held["server_group_id"],
                                                                           "different_host": [held["server_id"]]}},
        "PUT /v2.1/servers/{server_id}": {"server": {"name": "s", "accessIPv4": "", "description": None}},
        "POST /v2.1/flavors": {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1, "id": "auto", "swap": 0,
                                          "OS-FLV-EXT-DATA:ephemeral": 0, "rxtx_factor": 1.0}},
        "POST /v2.1/flavors/{flavor_id}/os-extra_specs": {"extra_specs": {"a": "b"}},
        "POST /v2.1/os-keypairs": {"keypair": {"name": "k", "type": "ssh", "public_key": "ssh-rsa AAAA"}},
        "POST /v2.1/os-server-groups": {"server_group": {"name": "g", "policy": "anti-affinity",
                                                         "rules": {"max_server_per_host": 2}}},
        "POST /v2.1/os-aggregates": {"aggregate": {"name": "a", "availability_zone": "z"}},
        "PUT /v2.1/os-quota-sets/{tenant_id}": {"quota_set": {"instances": 3, "cores": -1, "force": True}},
        "POST /v2.1/servers/{server_id}/os-interface": {"interfaceAttachment": {"net_id": network, "tag": "t",
                                                        "fixed_ips": [{"ip_address": "10.1.0.9"}]}},
        "POST /v2.1/servers/{server_id}/remote-consoles": {"remote_console": {"protocol": "vnc", "type": "novnc"}},
        "PUT /v2.1/servers/{server_id}/tags": {"tags": ["a", "b"]},
        "POST /v2.1/servers/{server_id}/metadata": {"metadata": {"a": "b"}},
        "POST /v2.0/networks": {"network": {"name": "n", "admin_state_up": True, "shared": False, "mtu": 1400,
                                            "port_security_enabled": True, "description": "",
                                            "provider:network_type": "geneve", "router:external": False}},
        "PUT /v2.0/networks/{network_id}": {"network": {"name": "n", "mtu": 1400, "shared": False}},
        "POST /v2.0/subnets": {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.7.0.0/24",
                                          "gateway_ip": "10.7.0.1", "enable_dhcp": True,
                                          "allocation_pools": [{"start": "10.7.0.5", "end": "10.7.0.9"}],
                                          "dns_nameservers": ["10.7.0.2"],
                                          "host_routes": [{"destination": "10.8.0.0/24", "nexthop": "10.7.0.3"}]}},
        "PUT /v2.0/subnets/{subnet_id}": {"subnet": {"gateway_ip": None, "allocation_pools": [], "name": "n"}},
        "POST /v2.0/ports": {"port": {"network_id": network, "mac_address": "fa:16:3e:00:00:01",
                                      "fixed_ips": [{"subnet_id": subnet, "ip_address": "10.1.0.66"}],
                                      "security_groups": [], "binding:vnic_type": "normal", "device_id": "d",
                                      "allowed_address_pairs": [{"ip_address": "10.1.0.0/24"}],
                                      "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}]}},
        "PUT /v2.0/ports/{port_id}": {"port": {"fixed_ips": [{"ip_address": "10.1.0.67"}], "name": "n"}},
        "POST /v2.0/routers": {"router": {"name": "r", "external_gateway_info": {"network_id": network,
                                          "external_fixed_ips": [{"ip_address": "172.24.4.9"}]}}},
        "PUT /v2.0/routers/{router_id}": {"router": {"routes": [{"destination": "10.5.0.0/24",
                                                                 "nexthop": "10.1.0.4"}]}},
        "PUT /v2.0/routers/{router_id}/add_router_interface": {"subnet_id": subnet, "port_id": port},
        "PUT /v2.0/routers/{router_id}/remove_router_interface": {"subnet_id": subnet},
        "PUT /v2.0/routers/{router_id}/add_extraroutes": {"router": {"routes": [{"destination": "10.5.0.0/24",
                                                                                 "nexthop": "10.1.0.4"}]}},
        "POST /v2.0/floatingips": {"floatingip": {"floating_network_id": network, "port_id": port,
                                                  "fixed_ip_address": "10.1.0.5",
                                                  "floating_ip_address": "172.24.4.7"}},
        "PUT /v2.0/floatingips/{floatingip_id}": {"floatingip": {"port_id": port}},
        "POST /v2.0/security-groups": {"security_group": {"name": "g", "stateful": True}},
        "POST /v2.0/security-group-rules": {"security_group_rule": rule},
        "POST /v2.0/subnetpools": {"subnetpool": {"name": "p", "prefixes": ["10.20.0.0/16"], "min_prefixlen": 24,
                                                  "default_prefixlen": 25, "max_prefixlen": 26,
                                                  "default_quota": 4}},
        "PUT /v2.0/subnetpools/{subnetpool_id}": {"subnetpool": {"prefixes": ["10.9.0.0/16"], "name": "x"}},
        "POST /v2.0/address-scopes": {"address_scope": {"name": "s", "ip_version": 4}},
        "POST /v2.0/address-groups": {"address_group": {"name": "s", "addresses": ["10.0.0.0/8"]}},
        "PUT /v2.0/address-groups/{address_group_id}/add_addresses": {"address_group": {"addresses": ["10.0.0.1"]}},
        "POST /v2.0/rbac-policies": {"rbac_policy": {"object_type": "network", "object_id": network,
                                                     "action": "access_as_shared", "target_tenant": "*"}},
        "PUT /v2.0/quotas/{project_id}": {"quota": {"port": 3, "network": -1}},
        "PUT /v2.0/{collection}/{resource_id}/tags": {"tags": ["a"]},
        "POST /v2/images": {"name": "i", "disk_format": "raw", "container_format": "bare", "visibility": "private",
                            "tags": ["a"], "min_disk": 0, "min_ram": 0, "protected": False, "a": "b"},
        "PATCH /v2/images/{image_id}": [{"op": "replace", "path": "/name", "value": "x"},
                                        {"op": "add", "path": "/tags/-", "value": "y"}],
        "POST /v2/images/{image_id}/import": {"method": {"name": "web-download", "uri": "http://192.0.2.1/x"}},
        "POST /v2/images/{image_id}/members": {"member": held["project_id"]},
        "POST /v2/metadefs/namespaces": {"namespace": "n", "display_name": "d", "visibility": "private",
                                         "properties": {"p": {"title": "t", "type": "string"}}},
        "POST /v3/auth/tokens": {"auth": auth},
        "POST /v3/users": {"user": {"name": "n", "domain_id": "default", "password": "p", "enabled": True,
                                    "email": "a@b", "options": {"lock_password": True}}},
        "POST /v3/projects": {"project": {"name": "n", "domain_id": "default", "tags": ["a"], "enabled": True,
                                          "parent_id": "default", "options": {}}},
        "POST /v3/domains": {"domain": {"name": "n", "enabled": True}},
        "POST /v3/groups": {"group": {"name": "n", "domain_id": "default"}},
        "POST /v3/roles": {"role": {"name": "n", "domain_id": None}},
        "POST /v3/services": {"service": {"name": "n", "type": "t", "enabled": True}},
        "POST /v3/endpoints": {"endpoint": {"service_id": "x", "interface": "public", "url": "http://x",
                                            "region_id": "RegionOne"}},
        "POST /v3/credentials": {"credential": {"type": "ec2", "blob": '{"access": "a", "secret": "s"}',
                                                "project_id": held["project_id"], "user_id": held["user_id"]}},
        "POST /v3/registered_limits": {"registered_limits": [{"service_id": "x", "resource_name": "r",
                                                              "default_limit": 1}]},
        "POST /v3/limits": {"limits": [{"service_id": "x", "resource_name": "r", "resource_limit": 1,
                                        "project_id": held["project_id"]}]},
        "POST /v3/OS-TRUST/trusts": {"trust": {"trustor_user_id": held["user_id"], "trustee_user_id": "x",
                                               "impersonation": True, "expires_at": "2099-01-01T00:00:00Z",
                                               "remaining_uses": 1, "roles": [{"name": "member"}]}},
        "POST /v3/users/{user_id}/application_credentials": {"application_credential": {
            "name": "n", "secret": "s", "expires_at": "2099-01-01T00:00:00Z", "roles": [{"name": "member"}],
            "access_rules": [{"path": "/v2.1/servers", "method": "GET", "service": "compute"}]}},
        "PUT /v3/OS-FEDERATION/mappings/{mapping_id}": {"mapping": {"rules": [{
            "local": [{"user": {"name": "{0}"}}], "remote": [{"type": "UserName"}]}]}},
        "POST /resource_providers": {"name": "p", "parent_provider_uuid": None},
        f"PUT {provider}": {"allocations": {held["project_id"]: {"resources": {"VCPU": 1}}},
                            "project_id": held["project_id"], "user_id": held["user_id"],
                            "consumer_generation": None, "consumer_type": "INSTANCE"},
    }  # fmt: skip


def guess(route: Route) -> Any:
    """The first try where nothing is known."""
    return {route.action: {}} if route.action else {}


def better(body: Any, answer: Answer) -> Any:
    """The body with what its refusal asked for; None when the refusal was about something else."""
    text = answer.raw.decode(errors="replace").replace('\\"', '"')
    if found := _NEUTRON.search(text):
        return {**body, found[1]: {}} if isinstance(body, dict) and found[1] not in body else None
    if found := _MISSING.search(text):
        return _put(body, (found[2] or "").split(".") if found[2] else [], found[1], "x")
    if found := _EXPECTED.search(text):
        kind = found[1].split(" ")[0]
        path = [step for step in (found[2] or "").split(".") if step and step != "the body"]
        if kind in _SAMPLES and path and "[" not in path[-1]:
            return _put(body, path[:-1], path[-1], _SAMPLES[kind])
    return None


def _put(body: Any, path: list[str], name: str, value: Any) -> Any:
    if not isinstance(body, dict):
        return None
    if not path:
        return body | {name: value}
    inner = _put(body.get(path[0], {}), path[1:], name, value)
    return None if inner is None else body | {path[0]: inner}
