# Load tests against a running system, as the chart's Job runs them. From the project's root:
#   docker build -f docker/load.Dockerfile -t arcus/load:0.1.0 .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY proto proto
COPY ray_jobs ray_jobs
COPY services services
COPY loadtests loadtests
COPY examples examples
RUN python -m venv /opt/arcus \
 && /opt/arcus/bin/pip install --no-cache-dir -c constraints.txt . aiohttp matplotlib \
 && cp -r loadtests examples "$(/opt/arcus/bin/python -c 'import site; print(site.getsitepackages()[0])')"

FROM python:3.11-slim-bookworm
COPY --from=build /opt/arcus /opt/arcus
ENV PATH=/opt/arcus/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp arcus
USER 10001:10001
ENTRYPOINT ["python", "-m", "loadtests.load"]
