"""Saved predictions as terminal tables, tables of rows, pictures and pages."""

import logging

# Where the user's own folder cannot be written it keeps its files elsewhere, with many words.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
