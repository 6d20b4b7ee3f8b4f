# Ray and the engines. From the project's root, for the CPU, or with vLLM for CUDA:
#   docker build -f docker/engines.Dockerfile -t arcus/engines:0.1.0 .
#   docker build -f docker/engines.Dockerfile --build-arg VARIANT=cuda -t arcus/engines-cuda:0.1.0 .
FROM python:3.11-slim-bookworm AS build
ARG VARIANT=cpu
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt constraints-cuda.txt ./
COPY proto proto
COPY ray_jobs ray_jobs
COPY services services
# vLLM wants versions of its own of what it computes with (docs/engines.md): its pins come before ours.
RUN python -m venv /opt/arcus \
 && if [ "$VARIANT" = cuda ]; then \
      awk -F== '!seen[tolower($1)]++' constraints-cuda.txt constraints.txt > pins.txt \
      && /opt/arcus/bin/pip install --no-cache-dir -c pins.txt '.[engines,gpu]' vllm; \
    else \
      /opt/arcus/bin/pip install --no-cache-dir -c constraints.txt '.[engines]'; \
    fi \
 && /opt/arcus/bin/pip install --no-cache-dir --no-deps --force-reinstall \
      "opencv-python-headless==$(sed -n 's/^opencv-python-headless==//p' constraints.txt)" \
      "Resemblyzer==$(sed -n 's/^Resemblyzer==//p' constraints.txt)"

FROM python:3.11-slim-bookworm
# bash and wget: for the operator's own containers and probes, which run in this image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends bash wget \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/arcus /opt/arcus
ENV PATH=/opt/arcus/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp arcus
USER 10001:10001
