# A front, and `arcus migrate`: no Ray, no torch. From the project's root:
#   docker build -f docker/front.Dockerfile -t arcus/front:0.1.0 .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY proto proto
COPY ray_jobs ray_jobs
COPY services services
RUN python -m venv /opt/arcus \
 && /opt/arcus/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/arcus /opt/arcus
ENV PATH=/opt/arcus/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp arcus
USER 10001:10001
ENTRYPOINT ["arcus"]
CMD ["front"]
