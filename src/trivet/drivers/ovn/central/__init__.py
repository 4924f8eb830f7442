"""OVN's northbound side: logical switches, routers, ports and groups, one for the whole cloud."""
