"""Default limits of what this room counts: how much of each a project may have unless somebody says otherwise."""

LIMITS = {
    "servers": 100,
    "class:VCPU": 200,
    "class:MEMORY_MB": 512_000,
    "class:DISK_GB": -1,
    "server_key_pairs": 100,
    "server_injected_files": 5,
    "server_injected_file_content_bytes": 10240,
    "server_injected_file_path_bytes": 255,
    "server_groups": 50,
    "server_group_members": 50,
    "server_metadata_items": 128,
    "server_fixed_ips": -1,
    "fault_reports": 50,
}
