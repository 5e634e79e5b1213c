"""Models of scikit-learn in files of skops: no pickle, and no types are read but the ones named here.

skops is imported where a file is written or read: it imports all of scikit-learn, which imports PyTorch, and that takes
seconds. XGBoost without lyrics needs none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically

TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
)
"""Types beyond skops's own list that saved models are made of."""


def save_skops(model: Any, path: Path) -> None:
    """Write a model of scikit-learn."""
    import skops.io

    write_atomically(path, skops.io.dumps(model))


def load_skops(path: Path) -> Any:
    """Read a skops file, which builds the types of scikit-learn and NumPy only and runs nothing else.

    Raises
    ------
    UserError
        The file is missing, damaged, or names other types.
    """
    import skops.io

    try:
        other = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
        if other:
            raise UserError(f"{path}: holds types that are not loaded: {', '.join(other)}.")
        return skops.io.load(path, trusted=list(TRUSTED))
    except UserError:
        raise
    except Exception as error:  # damaged files fail in as many ways as there are types
        raise UserError(f"{path}: not a model that was saved here ({type(error).__name__}).") from error
