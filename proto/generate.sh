#!/bin/sh
# Writes the Python stubs beside each .proto file. The proto path is the Python path: proto/ is a source root.
set -eu
cd "$(dirname "$0")"
find arcus -name '*.proto' | sort | xargs "${PYTHON:-python}" -m grpc_tools.protoc -I . \
    --python_out=. --pyi_out=. --grpc_python_out=.
