"""Load of users' journeys on a running system: an open loop, every answer checked, and a verdict on it."""
