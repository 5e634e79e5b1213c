"""Predictions, figures with their intervals, tables and plots."""
