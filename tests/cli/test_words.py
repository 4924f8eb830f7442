"""What the command answers when it cannot do what was asked: one sentence that says what to do, never a traceback."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import TRIVET, trivet
from tests.programs import PATIENCE_S, clean

COMMANDS = (
    "up", "api", "agent", "status", "audit", "gaps", "routes", "migrate", "rotate", "certificate", "completion",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    made = trivet(tmp_path, command, "--help")
    assert made.returncode == 0 and made.stdout.startswith(f"usage: trivet {command}")


def test_no_command_at_all_is_answered_with_all_there_are(tmp_path: Path) -> None:
    made = trivet(tmp_path)
    assert (made.returncode, made.stdout) == (2, "")
    assert all(f"\n    {command} " in made.stderr for command in COMMANDS)


@pytest.mark.parametrize(("words", "who"), [(("up", "--frob"), "trivet up"), (("--frob",), "trivet")])
def test_a_flag_that_is_none_is_answered_with_those_of_its_command(
    words: tuple[str, ...], who: str, tmp_path: Path
) -> None:
    made = trivet(tmp_path, *words)
    assert made.returncode == 2 and made.stderr.startswith(f"usage: {who} [-h]")
    assert made.stderr.endswith(f"{who}: error: unrecognized arguments: --frob\n")


def test_a_misspelt_variable_is_refused_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    made = trivet(tmp_path, "status", "--data", "d", TRIVET_LEAVERUNNING="1")
    assert made.returncode == 1
    assert made.stderr == "trivet: There is no setting TRIVET_LEAVERUNNING. Did you mean TRIVET_LEAVE_RUNNING?\n"
    assert "TRIVET_MY_OWN" not in trivet(tmp_path, "status", "--data", "d", TRIVET_MY_OWN="1").stderr


def test_a_drivers_setting_is_one_like_all(tmp_path: Path) -> None:
    """The class: an option that is read from the environment aside of the settings is neither checked nor listed."""
    made = trivet(tmp_path, "status", "--data", "d", TRIVET_WEB_ALLOWW="10.0.0.0/8")
    assert made.stderr == "trivet: There is no setting TRIVET_WEB_ALLOWW. Did you mean TRIVET_WEB_ALLOW?\n"
    (tmp_path / "good.toml").write_text('web_allow = "registry.example"')
    assert "There is no d/clouds.yaml" in trivet(tmp_path, "status", "--data", "d", "--config", "good.toml").stderr


def test_it_says_which_release_it_is(tmp_path: Path) -> None:
    assert trivet(tmp_path, "--version").stdout.startswith("trivet 0.")


CONFIGS = {
    "truth.toml": "workers = true",
    "part.toml": "token_s = 1.5",
    "list.toml": 'listen = ["a"]',
    "ended.toml": "token_s = 0",
    "cidr.toml": 'external_cidr = "nonsense"',
    "physical.toml": 'physical_networks = "lab"',
    "public.toml": 'physical_networks = "public:eth1"',
    "twice.toml": 'physical_networks = "lab:eth1,wan:eth1"',
    "regex.toml": 'password_regex = "("',
    "kept.toml": "password_days = 30\npassword_min_days = 30",
}
REFUSALS = {
    "a file that is not there": (("up", "--config", "none.toml"), "Cannot read none.toml: No such file or directory."),
    "a file that is not TOML": (("up", "--config", "broken.toml"), "broken.toml is not TOML: "),
    "a setting that is not": (("up", "--config", "typo.toml"), "There is no setting lisen. Did you mean listen?"),
    "a directory that is a file": (("up", "--sim", "--data", "typo.toml"), "Cannot use typo.toml"),
    "no cloud to bring forward": (("migrate", "--data", "typo"), "There is no typo/trivet.db, so no cloud: name its "),
    "no cloud to ask": (("status", "--data", "."), "There is no clouds.yaml; name the data directory"),
    "a service that is not": (("routes", "tape"), "There is no service tape; there are alarms, baremetal,"),
    "a cloud that nobody knows": (("gaps", "--cloud", "none"), "Cloud none was not found; is OS_CLIENT_CONFIG_FILE"),
    "an address for clients that is none": (
        ("up", "--sim", "--public-url", "cloud.example:8774"),
        "public_url must begin with http:// or https://, not 'cloud.example:8774'.",
    ),
    "a database that we do not speak": (
        ("up", "--sim", "--database", "mysql://x"),
        "database must be the path of a file for SQLite, or begin with postgresql://, postgres://, sqlite:///.",
    ),
    "less than no hosts": (("up", "--sim", "--sim-hosts", "-1"), "sim_hosts cannot be below 0."),
    "a database that is not there": (
        ("migrate", "--data", "d", "--database", "postgresql://nobody@127.0.0.1:1/x"),
        "The database cannot be reached: ",
    ),
    "a port that is none": (
        ("up", "--sim", "--listen", "127.0.0.1:99999"),
        "listen must be HOST:PORT with a port from 1 to 65535, not 99999.",
    ),
    "an address that others reach": (("up", "--sim", "--listen", "0.0.0.0:1"), "At 0.0.0.0:1 others can reach the API"),
    "a certificate without a key": (
        ("up", "--sim", "--tls-certificate", "word"),
        "tls_certificate and tls_key go together: one of them is missing.",
    ),
    "a certificate that is not there": (
        ("up", "--sim", "--data", "d", "--tls-certificate", "nowhere", "--tls-key", "word"),
        "Cannot read nowhere: No such file or directory.",
    ),
    "a certificate that is none": (
        ("up", "--sim", "--data", "d", "--tls-certificate", "word", "--tls-key", "word"),
        "word and word are no certificate with its key",
    ),
    "a port of other digits": (("up", "--sim", "--listen", "127.0.0.1:\u00b2"), "listen must be HOST:PORT, not "),
    "a directory without a name": (("up", "--sim", "--data", ""), "data must name a directory."),
    "a truth for a number": (("up", "--config", "truth.toml"), "workers must be a whole number, not True."),
    "a part of a number": (("up", "--config", "part.toml"), "token_s must be a whole number, not 1.5."),
    "a list for a word": (("up", "--config", "list.toml"), "listen must be text, not ['a']."),
    "tokens that end before they begin": (("up", "--config", "ended.toml"), "token_s cannot be below 1."),
    "physical networks without interfaces": (
        ("up", "--config", "physical.toml"),
        "physical_networks must be like lab:eth1,wan:eth2",
    ),
    "a second public network": (("up", "--config", "public.toml"), "physical_networks must be like lab:eth1,wan:eth2"),
    "one interface for two": (
        ("up", "--config", "twice.toml"),
        "physical_networks names one of them, or one interface, twice",
    ),
    "addresses that are none": (("up", "--config", "cidr.toml"), "external_cidr must be like 172.24.4.0/24: "),
    "a pattern that is none": (("up", "--config", "regex.toml"), "password_regex is no regular expression: "),
    "passwords that end before they may go": (("up", "--config", "kept.toml"), "password_min_days must be below"),
    "a database at an odd port": (("up", "--sim", "--database", "postgresql://h:x/d"), "database is no URL: "),
    "a file that is no database": (("up", "--sim", "--database", "typo.toml"), "typo.toml is no SQLite database; "),
    "a secret that is a directory": (("up", "--sim", "--data", "odd1"), "odd1/secret must be a file; "),
    "blobs that are a file": (("up", "--sim", "--data", "odd2"), "odd2/blobs must be a directory; "),
    "a pid that is a directory": (("up", "--sim", "--data", "odd3"), "odd3/trivet.pid must be a file; "),
    "an agent in a file": (
        ("agent", "--sim", "--api", "http://127.0.0.1:1", "--secret-file", "word", "--data", "typo.toml"),
        "typo.toml: File exists.",
    ),
    "a secret that is no text": (
        ("agent", "--sim", "--api", "http://127.0.0.1:1", "--secret-file", "bytes", "--data", "d"),
        "bytes does not hold the secret of a host credential.",
    ),
    "a clouds.yaml of another make": (("status", "--data", "odd4"), "odd4/clouds.yaml does not name the cloud trivet"),
    "a clouds.yaml that is a directory": (
        ("status", "--data", "odd5"),
        "Cannot read odd5/clouds.yaml: ",
    ),
    "a cloud at an odd address": (("status", "--data", "odd6"), "nonsense/auth/tokens is silent or no cloud "),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_is_refused_in_a_sentence(case: str, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("listen =")
    (tmp_path / "typo.toml").write_text('lisen = "127.0.0.1:1"')
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "word").write_text("word")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for folder in ("odd1/secret", "odd2", "odd3/trivet.pid", "odd4", "odd5/clouds.yaml", "odd6"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "odd2" / "blobs").touch()
    (tmp_path / "odd4" / "clouds.yaml").write_text('#\n{"clouds": {"trivet": {"auth": 5}}}')
    auth = dict.fromkeys(("username", "password", "user_domain_name", "project_name", "project_domain_name"), "x")
    clouds = {"clouds": {"trivet": {"auth": auth | {"auth_url": "nonsense"}}}}
    (tmp_path / "odd6" / "clouds.yaml").write_text("#\n" + json.dumps(clouds))
    words, sentence = REFUSALS[case]
    made = trivet(tmp_path, *words)
    assert made.returncode == 1
    assert made.stderr.startswith(f"trivet: {sentence}") and "Traceback" not in made.stderr


@pytest.mark.parametrize("name", ["compute", "nova"])
def test_routes_of_one_service_are_found_by_either_of_its_names(name: str, tmp_path: Path) -> None:
    rows = json.loads(trivet(tmp_path, "routes", name, "--json").stdout)
    assert {row["service"] for row in rows} == {"nova"}


def test_a_reader_who_has_had_enough_is_no_error(tmp_path: Path) -> None:
    made = subprocess.run(
        f"set -o pipefail; {TRIVET} routes | head -1", shell=True, executable="/bin/bash",
        cwd=tmp_path, env=clean(), capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (made.returncode, made.stderr, len(made.stdout.splitlines())) == (0, "", 1)


def test_gaps_are_told_by_their_status(tmp_path: Path) -> None:
    rows = json.loads(trivet(tmp_path, "gaps", "--json", "--status", "partly").stdout)
    assert rows and {row["status"] for row in rows} == {"partly"}
