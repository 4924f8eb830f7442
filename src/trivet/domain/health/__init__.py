"""How hosts are, told by several signals and judged by one rule; how their power is cut; what became of failures."""
