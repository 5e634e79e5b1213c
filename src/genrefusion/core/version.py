"""The version, in a module of its own so that whatever writes it down need not import the package's root."""

__version__ = "0.4.0"
