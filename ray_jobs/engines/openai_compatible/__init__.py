"""Engines behind any server that speaks OpenAI's API: vLLM, TGI, llama.cpp, OpenAI itself."""
