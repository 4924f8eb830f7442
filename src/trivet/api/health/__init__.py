"""How hosts are: what each probe says, the verdict, what became of failures, and by what their power is cut."""
