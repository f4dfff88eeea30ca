"""Requirements: from what the user names to wheels whose hashes are known.

environment     all of it in order: groups of files
├── resolution  what is needed, remembered, and what it was made of
│   ├── named       which files the user names, and of what kind they are
│   ├── uv          the resolver
│   │   └── indexes     the indexes that pip is configured with, in uv's words
│   ├── workspace   the projects that a uv.lock is for
│   ├── poetry      poetry.lock, as requirements
│   └── lock        one file for each distribution, chosen by tags
│       └── target      what it is all for: Python, platform, C library
├── downloads   files of an index, checked and carried on
│   └── logins      user names and passwords for indexes
└── builds      wheels of what has none
    └── sources     what they are built from: source distributions, folders, commits
"""
