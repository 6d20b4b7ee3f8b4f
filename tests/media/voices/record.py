"""Speaks what of voices.json isn't recorded yet with flite (Debian: apt-get install flite), to NAME.opus beside it.

The recordings are committed, so that nobody who runs the tests needs flite. Its voices rms and slt are made of CMU's
ARCTIC recordings; their licence, like flite's own, lets anybody use what they speak.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import av

HERE = Path(__file__).parent
BITS_PER_SECOND = 24_000


def record(text: str, voice: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "--setf", "duration_stretch=1.05", "-t", text, "-o", str(wave)]
        subprocess.run(command, check=True, timeout=60)
        with av.open(str(wave)) as spoken, av.open(str(path), "w", format="ogg") as container:
            track = container.add_stream("libopus", rate=16_000, layout="mono")
            track.bit_rate = BITS_PER_SECOND
            for frame in spoken.decode(audio=0):
                frame.pts = None
                container.mux(track.encode(frame))
            container.mux(track.encode(None))


def main() -> None:
    for item in json.loads((HERE / "voices.json").read_text()):
        path = HERE / f"{item['name']}.opus"
        if not path.exists():
            record(item["text"], item["voice"], path)


if __name__ == "__main__":
    main()
