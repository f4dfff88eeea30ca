"""Many and large wheels, for a long quarter of an hour: ``nox -s wheels``, not part of ``nox``."""
