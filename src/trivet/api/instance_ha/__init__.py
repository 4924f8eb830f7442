"""Recovery in the words of Masakari: segments of hosts, notifications of failures, and moves of servers."""
