"""Figures of the pages: their files, how rows get into them, and how tables are laid out from them."""
