"""Features of a track, and the cache that keeps them."""
