"""The systems that turn tracks into genres."""
