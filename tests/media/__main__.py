"""Makes every clip: python -m tests.media"""

import time

from tests.media import NAMES, clip


def main() -> None:
    began = time.perf_counter()
    for name in NAMES:
        started = time.perf_counter()
        path = clip(name)
        print(f"{time.perf_counter() - started:6.2f} s  {path.stat().st_size / 1024:8.1f} KiB  {name}", flush=True)
    print(f"{time.perf_counter() - began:6.2f} s  {len(NAMES)} clips in {path.parent}")


if __name__ == "__main__":
    main()
