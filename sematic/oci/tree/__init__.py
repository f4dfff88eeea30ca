"""Source trees: which of their files go into an image.

walk            the tree, folder by folder: find_tree
├── listing     a folder as it looks: its names, and what stat() says of them
├── decisions   what rules say of names: remembered, or decided now
│   └── ignore      which rule leaves a path out
│       ├── rules       what no tree holds, and what looks like a secret
│       └── gitignore   the pattern language
├── folder      what of one folder goes in
│   └── links       where symbolic links lead
├── packed      the same as a group of files, without an entry for each
└── repository  the ignore files of a git repository around the tree
"""
