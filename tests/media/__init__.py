"""The media that tests, evaluation and benchmarks need, all made here: `clip("vp9.webm")` is the path of one.

    from tests.media import clip
    path = clip("reordered.mp4")     # made at the first call, kept in build/media, the same file ever after

What there is, and what is true of it, stands in the catalogue:

- `numbered.NUMBERED`: clips whose every frame tells its number, one for each codec, container and oddity of time,
  turn and order; NUMBERED[name] tells the frames' times, the size and the encoder;
- `scenes`: pictures with known text, cuts, colours and sounds (slides, a counter, shots, fades, tracks, subtitles, chapters);
- `talks`: narrated slides with known text, words and times;
- `recordings`: sound, and `damage`: what is cut off, overwritten, empty or no media at all.

A test that needs a clip of its own makes it with `muxing.write` (tracks of pictures, sound and subtitles; chapters,
turns, offsets) and `numbered.picture`; one that several files need belongs into the catalogue. `python -m tests.media`
makes everything and says how long each took. Nothing here is read from outside of the checkout, and only what no
encoder of PyAV makes is committed: recordings of synthetic speech (voices/) and a Theora clip (committed/).
"""

from tests.media.cache import NAMES, clip

__all__ = ["NAMES", "clip"]
