"""Environments: installed distributions as groups of files.

groups          the environment as file groups: find_environment
├── surveys     what was found the last time
│   └── snapshot    and whether it still holds
├── survey      reading all of it
│   ├── sites           the files of site folders
│   ├── distributions   RECORD files and what they list
│   ├── editable        editable installs, which become source trees
│   └── scripts         console scripts, re-pointed to the image's interpreter
├── prefixes    where a file of the environment lies in the image
└── interpreter     which interpreter the environment belongs to
    └── probe       what an interpreter says of itself
"""
