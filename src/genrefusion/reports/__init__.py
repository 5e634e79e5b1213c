"""Saved predictions as terminal tables, tables of rows, pictures and pages."""
