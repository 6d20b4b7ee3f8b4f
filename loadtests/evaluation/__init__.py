"""The evaluation: collections of made videos, questions about them, and the rules by which replies are graded.

Each collection is a file of work/, choose/ or final/: to work with, to choose by, and to be scored once at the end. Whoever
changes how Arcus answers reads the first only.
"""
