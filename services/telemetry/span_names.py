"""The one table of names in spans.

Those of generative AI are of open-telemetry/semantic-conventions-genai 0.1, which is in development: a rename is an edit here.
"""

from __future__ import annotations

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
RESPONSE_ID = "gen_ai.response.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CHAT, EMBEDDINGS, RETRIEVAL = "chat", "embeddings", "retrieval"
PLAN = "plan"  # ours: what to look for, before the answer

ERROR = "error.type"
ROUTE = "arcus.route"  # of HTTP a template, of gRPC a method, as in metrics
CODE = "arcus.code"  # an HTTP status or a gRPC code, as in metrics
TENANT = "arcus.tenant_id"
SHARD = "arcus.shard"
JOB = "arcus.job_id"
ATTEMPT = "arcus.attempt"
