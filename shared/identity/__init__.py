"""Sign-in, roles, jurisdiction: the one door through which everything learns who acts.

Nothing imports its inner modules, so that an OpenID provider can take the directory's place. It never imports a page.
"""

from shared.identity.access import (
    FORM_FIELD,
    FORM_HEADER,
    ForgedFormError,
    Identity,
    NotAllowedError,
    Operator,
    SignedIn,
    SignInNeededError,
    Uploading,
    current_principal,
    identity_of,
    permit,
    require,
    verify_upload,
)
from shared.identity.demo import demo_directory
from shared.identity.directory import Directory, DirectoryError
from shared.identity.ended import EndedSessions
from shared.identity.following import followed
from shared.identity.limiter import TooManyTriesError
from shared.identity.passwords import hash_password, new_token
from shared.identity.principal import ALL_UNITS, PERMISSIONS, AllUnits, Permission, Principal, Role
from shared.identity.routes import Profile, identity_router, sign_in_url

__all__ = [
    "ALL_UNITS",
    "FORM_FIELD",
    "FORM_HEADER",
    "PERMISSIONS",
    "AllUnits",
    "Directory",
    "DirectoryError",
    "EndedSessions",
    "ForgedFormError",
    "Identity",
    "NotAllowedError",
    "Operator",
    "Permission",
    "Principal",
    "Profile",
    "Role",
    "SignInNeededError",
    "SignedIn",
    "TooManyTriesError",
    "Uploading",
    "current_principal",
    "demo_directory",
    "followed",
    "hash_password",
    "identity_of",
    "identity_router",
    "new_token",
    "permit",
    "require",
    "sign_in_url",
    "verify_upload",
]
