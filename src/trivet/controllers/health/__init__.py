"""Health: looking at hosts, judging them, fencing those that are dead, and bringing back what was on them."""
