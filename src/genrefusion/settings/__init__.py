"""Every setting with its type, default and constraints; composing them with Hydra, mistakes in words, help.

A dataclass is the one place where a setting is written down, with its default, what is possible and what it means
(`genrefusion.settings.fields`), and where its group and the code behind it are (`genrefusion.settings.registry`). The
YAML files of ``configs/`` choose values. An impossible value is refused when the dataclass is made.

Saved runs and models name these classes and their fields: a name that is in use stays. A field that is added has a
default that changes nothing, as a setting at its default is no part of a run's signature (`genrefusion.runs.record`).
"""
