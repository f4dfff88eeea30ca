"""Requirements: from what the user names to wheels whose hashes are known.

resolution      what is needed, remembered, and what it was made of
├── named       which files the user names, and of what kind they are
├── uv          the resolver
│   └── indexes     the indexes that pip is configured with, in uv's words
├── poetry      poetry.lock, as requirements
└── lock        one file for each distribution, chosen by tags
    └── target      what it is all for: Python, platform, C library
downloads       files of an index, checked and carried on
└── logins      user names and passwords for indexes
"""
