"""llama.cpp's server with one model, until its input ends: prints its address once it answers."""

import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = ["smollm2"]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 8192
params.n_parallel = 2
params.n_gpu_layers = 0
params.cpuparams.n_threads = 1  # several wait for each other by spinning, which a busy machine pays for dearly
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
