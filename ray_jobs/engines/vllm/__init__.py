"""Models that vLLM runs in this cluster. vllm itself is imported in `setup` alone."""
