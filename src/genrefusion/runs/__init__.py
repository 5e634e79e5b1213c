"""Runs: made, recorded, opened, found, joined, measured, explained."""
