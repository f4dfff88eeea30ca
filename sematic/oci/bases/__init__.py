"""Base images made here: from Debian's packages by a lock file, without dpkg, apt or root.

| module | |
| --- | --- |
| recipes | which bases there are, and what they are made of |
| mirrors | where Debian's packages come from: the machine's apt, or a mirror that is named |
| control, versions, closure | stanzas, their versions, and what depends on what |
| releases | a release's package indexes, checked against its signed list |
| wheels | NVIDIA's wheels, from the index that pip asks |
| lock, locking | which packages and wheels exactly, by digest; the lock of today |
| store | what was downloaded, by digest |
| download | what is on its way, told as it comes |
| deb | what is in a package |
| files | packages to entries: which files, and where they lie |
| system | what maintainer scripts would do |
| elf, ld_cache | the loader's cache |
| dpkg_database | what dpkg and scanners read |
| build | lock to image |
| cli | ``sematic-oci base`` |
"""
