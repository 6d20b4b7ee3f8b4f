"""The parts of loadtests/gpu.py: each measures one thing beside the bare library, and checks what it got."""
