"""The engine's promises at full size, on real servers."""
