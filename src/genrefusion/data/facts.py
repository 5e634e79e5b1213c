"""What a corpus says of itself, wherever its songs lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusFacts:
    """What is known of a corpus without having it; what a user has to say of songs of their own is empty.

    Attributes
    ----------
    layout : str
        What lies on the disk.
    citation : str
        Whom a paper that uses it has to name.
    licence : str
        Under which the songs may be used.
    address : str
        Where it comes from.
    sha256 : str
        Digest of what is downloaded from the first address.
    tracks : int, optional
        How many there are, if all of them are.
    """

    layout: str
    citation: str = ""
    licence: str = ""
    address: str = ""
    sha256: str = ""
    tracks: int | None = None

    def lines(self) -> list[tuple[str, str]]:
        """What is not empty, each with a word for it."""
        named = {"cite": self.citation, "licence": self.licence, "from": self.address, "SHA-256": self.sha256}
        return [(name, text) for name, text in named.items() if text]
