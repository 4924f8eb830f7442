"""The command `trivet`, whose simulated hosts keep their volumes in real files behind real storage daemons.

python -m tests.processes.real_volumes up --sim ...     TRIVET_TEST_VOLUMES names their folder
"""

import os
import sys
from pathlib import Path
from typing import Any

from trivet.cli.main import main
from trivet.drivers.qsd.volumes import QsdVolumes
from trivet.hosting import simulated


class Volumes(QsdVolumes):
    def __init__(self, *_: Any) -> None:
        super().__init__(Path(os.environ["TRIVET_TEST_VOLUMES"]))

    def adopt(self, *_: Any) -> None:
        """They remember by themselves."""


if __name__ == "__main__":
    vars(simulated)["SimVolumes"] = Volumes
    sys.exit(main())
