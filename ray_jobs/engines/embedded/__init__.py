"""Engines that need no GPU and no download: every model is inside an installed package."""
