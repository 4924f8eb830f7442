"""Identity: who there is, what each may do, and how that is proved.

From below: tokens, people, catalog, delegation, grants, login.
"""
