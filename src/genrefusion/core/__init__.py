"""Version, errors, files, folders, terminal: what every other room stands on."""
