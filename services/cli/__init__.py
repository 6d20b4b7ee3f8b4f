"""The command line: runs Arcus, and uses a running one."""
