"""Settings from the command line: every command that needs a cloud takes them the same way."""

import argparse
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from trivet import reading_settings
from trivet.errors import Invalid
from trivet.settings import Settings

_SHORT = {
    "listen": "HOST:PORT", "data": "DIR", "database": "URL", "workers": "N", "sim_hosts": "N", "public_url": "URL",
    "tls_certificate": "FILE", "tls_key": "FILE", "underlay": "ADDRESS@LINK",
}  # fmt: skip
REACHED = ("public_url", "tls_certificate", "tls_key", "plain_http")
"""How clients get here."""


def add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """Flags for the named settings; all others are reached by --config or TRIVET_... variables."""
    parser.epilog = "Settings without a flag: TRIVET_... variables, or --config; docs/reference/settings.md has all."
    parser.add_argument("--config", type=Path, metavar="FILE", help="A TOML file with any of the settings.")
    sentences = {entry.name: entry.metadata["sentence"] for entry in fields(Settings)}
    for name in names:
        flag = "--" + name.replace("_", "-")
        default = getattr(Settings(), name)
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true", default=None, help=sentences[name])
        else:
            shown = f" [{default}]" if default not in ("", None) else ""
            parser.add_argument(flag, metavar=_SHORT.get(name, name.upper()), help=sentences[name] + shown)
    parser.set_defaults(settings_named=names)


def read_settings(chosen: argparse.Namespace) -> Settings:
    flags: dict[str, Any] = {name: getattr(chosen, name) for name in chosen.settings_named}
    try:
        return reading_settings.load(chosen.config, dict(os.environ), flags)
    except OSError as error:
        raise Invalid("setting.file", f"Cannot read {chosen.config}: {error.strerror}.") from error
    except ValueError as error:
        raise Invalid("setting.file", f"{chosen.config} is not TOML: {error}.") from error
