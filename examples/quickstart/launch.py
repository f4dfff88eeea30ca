"""Launch the pipeline in pods.

With nothing configured they are processes of this machine, from an image of this folder.
"""

from __future__ import annotations

import argparse

from sematic import CloudResolver, has_container_image
from weather.pipeline import warmest_quarter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--detach", action="store_true", help="leave the run to itself, and print its id"
    )
    parser.add_argument("--pods", choices=["local", "podman", "kubernetes"])
    options = parser.parse_args()
    resolver = None
    if has_container_image():
        resolver = CloudResolver(detach=options.detach, pods=options.pods)
    print(warmest_quarter().resolve(resolver))


if __name__ == "__main__":
    main()
