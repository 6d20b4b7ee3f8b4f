"""What is promised, as the alerts judge it. Histograms have a bucket that ends at each objective exactly.

A share of good requests over a bucket's neighbours would be a guess, and an alert on it too.
"""

from __future__ import annotations

SERVED_SHARE = 0.999  # of requests, that no fault of the server ended
PROMPT_SHARE = 0.99  # of answers, whose first token comes in time
FIRST_TOKEN_SECONDS = 2.5
TOKEN_INTERVAL_SECONDS = 0.1
SEARCH_SECONDS = 0.5
LOOP_LAG_SECONDS = 0.1

REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
FIRST_TOKEN_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, FIRST_TOKEN_SECONDS, 5.0, 10.0, 30.0, 60.0)
TOKEN_INTERVAL_BUCKETS = (0.005, 0.01, 0.02, 0.05, TOKEN_INTERVAL_SECONDS, 0.2, 0.5, 1.0, 5.0)
SEARCH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, SEARCH_SECONDS, 1.0, 2.5, 10.0)
LOOP_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, LOOP_LAG_SECONDS, 0.25, 0.5, 1.0, 5.0)
