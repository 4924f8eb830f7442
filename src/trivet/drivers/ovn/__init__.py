"""OVN as the network engine: `engine` runs it, `northbound` tells it what is wanted, `wires` plugs machines into it."""
