"""sim: simulated hosts with timing, capacity and faults of our choosing.

A part of the product: OpenStack in a test fixture, and the rehearsal of ten thousand hosts. It keeps the
contracts' promises and proves nothing about real engines.
"""
