"""Wheels: from one file of an index to a group of files in a layer, without unpacking it.

group           wheels as file groups, equal to those of the same distributions when installed
├── overlaps    files that several wheels bring
├── facts       what is known of a wheel without opening it
└── listing     what is in a wheel, and where it goes
    └── destination     where installer writes to: a list
"""
