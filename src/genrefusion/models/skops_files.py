"""Reading models of scikit-learn that were saved with skops: no pickle, and no types but the ones named here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import skops.io

from genrefusion.errors import UserError

TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
)
"""Types beyond skops's own list that saved models are made of."""


def load_skops(path: Path) -> Any:
    """Read a skops file, which builds the types of scikit-learn and NumPy only and runs nothing else.

    Raises
    ------
    UserError
        The file is missing, damaged, or names other types.
    """
    try:
        other = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
        if other:
            raise UserError(f"{path}: holds types that are not loaded: {', '.join(other)}.")
        return skops.io.load(path, trusted=list(TRUSTED))
    except UserError:
        raise
    except Exception as error:  # damaged files fail in as many ways as there are types
        raise UserError(f"{path}: not a model that was saved here ({type(error).__name__}).") from error
