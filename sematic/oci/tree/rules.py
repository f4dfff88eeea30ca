"""The rules that hold in every tree: what never belongs to a source, and what looks like a secret.

Their patterns are of the forms for which pathspec is not loaded.
"""

from __future__ import annotations

from functools import lru_cache

from sematic.oci.tree.gitignore import Pattern, Screen, last_match, parse

ALWAYS = b"""\
.git
.hg
.svn
.bzr
_darcs
.jj
__pycache__/
*.pyc
*.pyo
.mypy_cache/
.pytest_cache/
.ruff_cache/
.hypothesis/
.tox/
.nox/
.ipynb_checkpoints/
.cache/
.eggs/
node_modules/
.idea/
.vscode/
.DS_Store
/build/
/dist/
*.egg-info/
.coverage
htmlcov/
"""

SECRETS = b"""\
.env*
.netrc
_netrc
.pypirc
.npmrc
.git-credentials
id_rsa
id_dsa
id_ecdsa
id_ed25519
.ssh/
.gnupg/
.aws/
.azure/
.kube/
kubeconfig
*.kubeconfig
**/.config/gcloud/
application_default_credentials.json
client_secret*.json
service-account*.json
service_account*.json
credentials.json
**/.docker/config.json
.dockercfg
.dockerconfigjson
.htpasswd
.pgpass
.my.cnf
.vault-token
.s3cfg
.boto
.databrickscfg
**/.streamlit/secrets.toml
*.kdbx
*.keytab
*.p12
*.pfx
*.jks
*.ppk
*.key
"""

ENVIRONMENT = "always: a virtual environment"
PRIVATE_KEY = "secret: a private key in *.pem"


def always_of(path: bytes, folder: bool) -> Pattern | None:
    """The rule that leaves a path out of every tree by its name, if any."""
    return last_match(_always(), path, folder)


def secret_of(path: bytes, folder: bool) -> Pattern | None:
    """The rule by which a path looks like a credential, if any."""
    return last_match(_secrets(), path, folder)


def secret_on_way(path: bytes) -> Pattern | None:
    """The rule by which a path, or a folder that it lies in, looks like a credential."""
    names = path.strip(b"/").split(b"/")
    for depth in range(1, len(names) + 1):
        found = secret_of(b"/".join(names[:depth]), depth < len(names))
        if found:
            return found
    return None


@lru_cache(maxsize=1)
def always_screen() -> Screen:
    """Of all the rules here."""
    return Screen((*_always(), *_secrets()))


@lru_cache(maxsize=1)
def _always() -> tuple[Pattern, ...]:
    return parse(ALWAYS)[::-1]


@lru_cache(maxsize=1)
def _secrets() -> tuple[Pattern, ...]:
    return parse(SECRETS)[::-1]
