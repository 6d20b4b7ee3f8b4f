"""Whisper by CTranslate2: weights, spectrogram, tokens and words."""
