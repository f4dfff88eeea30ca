"""Source trees: which of their files go into an image.

walk            the tree, file by file: find_tree
├── ignore      which rule leaves a path out
│   ├── rules       what no tree holds, and what looks like a secret
│   └── gitignore   the pattern language
├── links       where symbolic links lead
└── repository  the ignore files of a git repository around the tree
"""
