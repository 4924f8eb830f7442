"""The lab: many real hosts on one machine, to try what one machine cannot show.

Each host has network, mount, process and name spaces of its own, and in them its own Open vSwitch, OVN, engines and
data, exactly as on a machine of its own. Cutting its power ends all of its processes at once.
"""
