"""Stands for a processor and for files that harm it; loads in a moment in another process."""

import dataclasses
import os
import pathlib
import time

import numpy as np

from drrec.errors import InputError
from drrec.features.bounds import MediaLimits
from drrec.features.media import Unusable
from drrec.features.processors import Prepared


@dataclasses.dataclass(frozen=True)
class Hostile:
    """Its files do what their names say; any other gives its name as a number."""

    limits: MediaLimits
    refuses: bool = False

    def load(self):
        if self.refuses:
            raise InputError("Expected the image processor. Received: none.")
        return harmed


def harmed(path: pathlib.Path) -> Prepared:
    match path.stem:
        case "crash":
            os._exit(139)
        case "hang":
            time.sleep(15)  # longer than any limit of the tests
        case "once":  # as where the system ends a process that is not to blame
            if not path.exists():
                path.touch()
                os._exit(137)
        case "swallow":
            np.ones(1 << 27)  # 1 GiB
        case "fail":
            raise SystemError("a library in disorder")
        case "broken":
            raise Unusable("no film")
    value = sum(map(ord, path.stem))
    inputs = {"pixel_values": np.full((1, 3), value, np.float32)}
    return Prepared(inputs, np.ones(1, np.int64), 1)
