"""Whether a run really uses both sides: its predictions with one side taken away, exchanged or damaged."""
