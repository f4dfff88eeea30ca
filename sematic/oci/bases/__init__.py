"""Base images made here: from Debian's packages by a lock file, without dpkg, apt or root.

recipes         which bases there are, and what they are made of
mirrors         where Debian's packages come from: the machine's apt, or a mirror that is named
releases        a release's package indexes, checked against its signed list
control, versions, closure
                stanzas, their versions, and what depends on what
wheels          NVIDIA's wheels, from the index that pip asks
lock            which packages and wheels exactly, by digest
locking         the lock of today
deb, packages   what is in a package, streamed; what is in all of them
files           packages to entries: which files, and where they lie
system          what maintainer scripts would do
elf, ld_cache   the loader's cache
dpkg_database   what dpkg and scanners read
build           lock to image
inspection      what a base has, whoever made it
cli             ``sematic-oci base``
"""
