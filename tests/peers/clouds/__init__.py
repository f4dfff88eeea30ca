"""Stand-ins of the clouds: what gives tokens there, and the registries that take them.

They check what the real ones check: signatures, secrets, headers, audiences, and times.
"""
