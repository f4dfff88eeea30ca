"""A real Kubernetes of the tests' own, built from Debian's sources, on this machine."""
