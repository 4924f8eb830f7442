"""What tells of hosts whether they live: an echo on each network, and the BMC."""
