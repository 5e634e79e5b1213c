"""Corpora: tables of tracks, decoding, splits."""
