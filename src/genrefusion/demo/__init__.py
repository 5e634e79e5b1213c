"""The demo corpus: invented songs with lyrics, composed and rendered on the spot.

It stands in for a corpus that cannot be shared: ten genres, about ninety artists, audio and lyrics. Everything in it is
synthetic, made from the grammars in ``genres`` and ``words``, and in the public domain (CC0).
"""

from genrefusion.demo.artists import GENRES, Artist, make_artist
from genrefusion.demo.build import DEMO_VERSION, build_demo
from genrefusion.demo.lyrics import Lyric, write_lyrics
from genrefusion.demo.music import Composition, compose_song
from genrefusion.demo.render import SAMPLE_RATE, render_song

__all__ = [
    "DEMO_VERSION",
    "GENRES",
    "SAMPLE_RATE",
    "Artist",
    "Composition",
    "Lyric",
    "build_demo",
    "compose_song",
    "make_artist",
    "render_song",
    "write_lyrics",
]
