"""The program `trivet`, but with passwords hashed as weakly as argon2 can.

What a token then costs is all that it costs apart from its hash. To time the event loop beside the real hash would not
tell that: a hash walks through 7 MiB, and whatever runs next finds the processor's caches empty.
"""

import functools
import sys

from trivet import process
from trivet.cli.main import main
from trivet.domain.identity.people.passwords import Passwords

vars(process)["Passwords"] = functools.partial(Passwords, memory_kib=8, passes=1)

if __name__ == "__main__":
    sys.exit(main())
