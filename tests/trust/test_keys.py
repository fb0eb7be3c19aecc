"""Keys and certificates: made on first use, tried before the work, refused in one sentence."""

import json
import os
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from skyloom import cli
from skyloom.errors import UserError
from skyloom.trust import keys
from skyloom.trust.marking import Marking
from skyloom.trust.provenance import try_out
from skyloom.trust.signing import certificates

BRAINPOOL_CERTIFICATE = """
-----BEGIN CERTIFICATE-----
MIIBjzCCASSgAwIBAgIUaqEJHCWpvNwte4CwHGOp7q1CfxYwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjEyMDEwNDA0MjFaFw0zNjExMjgwNDA0MjFaMAwx
CjAIBgNVBAMMAXgwajAUBgcqhkjOPQIBBgkrJAMDAggBAQkDUgAEtKMb4+JlkzKE
YcbD5QEBLhKrgRrj3amGlD9dAXssNBYaiVtq/apQ44wbd9qzNPjFsPGAjbn973SB
1GlunQQxViaUgffrDCjkpTrQJGbT5najUzBRMB0GA1UdDgQWBBQ5n5bvqEx9G/UU
BDAhAuHBDEPvODAfBgNVHSMEGDAWgBQ5n5bvqEx9G/UUBDAhAuHBDEPvODAPBgNV
HRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA1kAMFYCKQC9+tSBoO4WXkPHgl3XAv0K
Wlf69zsdyqhArgbmMy4LWsfTUXAjDXwEAikAxYRIYNYy6tDfrWAcS/Kd44MKCZS9
pZ/nViCFJgCGLYZG3YlxS2Z4hQ==
-----END CERTIFICATE-----
"""
BRAINPOOL_KEY = """
-----BEGIN EC PRIVATE KEY-----
MIGQAgEBBCilQb5TajU4QuZv18h/UFA0IFpME9gfCZmCVCU8GZK/8o4w5hhfo+t3
oAsGCSskAwMCCAEBCaFUA1IABLSjG+PiZZMyhGHGw+UBAS4Sq4Ea492phpQ/XQF7
LDQWGolbav2qUOOMG3faszT4xbDxgI25/e90gdRpbp0EMVYmlIH36wwo5KU60CRm
0+Z2
-----END EC PRIVATE KEY-----
"""
# brainpoolP320r1, which `cryptography` cannot make: from openssl


def issued(first: int = -1, last: int = 365) -> tuple[str, str, str]:
    """A chain, its key and its authority, good between two days from today on."""
    now = datetime.now(UTC)
    return certificates.issue(now + timedelta(days=first), now + timedelta(days=last))


def pair(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key in files."""
    folder.mkdir(exist_ok=True)
    chain, private, _ = issued()
    (folder / "cert.pem").write_text(chain)
    (folder / "key.pem").write_text(private)
    return folder / "cert.pem", folder / "key.pem"


def signed_mail(key: Any, purposes: bool = True) -> str:
    """A certificate for a key, signed by itself, of the kind that C2PA takes; or without what
    says so."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    name = x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, "bare"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests"),
    ])  # fmt: skip
    now, public = datetime.now(UTC), key.public_key()
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public)
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(9))
    )  # fmt: skip
    if purposes:
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
        built = built.add_extension(usage, True).add_extension(mail, False)
        built = built.add_extension(above, False)
    sha = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return built.sign(key, sha).public_bytes(serialization.Encoding.PEM).decode()


def pem_of(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file of a folder, and the names of folders in it."""
    return {one.name: one.read_bytes() if one.is_file() else None for one in folder.iterdir()}


def write_signer(script: Path, signature: str) -> None:
    """A program that signs stdin with the key in the file that it is given."""
    script.write_text(
        "import sys\n"
        "from cryptography.hazmat.primitives import hashes\n"
        "from cryptography.hazmat.primitives.asymmetric import ec, padding\n"
        "from cryptography.hazmat.primitives.serialization import load_pem_private_key\n"
        "key = load_pem_private_key(open(sys.argv[1], 'rb').read(), None)\n"
        "data = sys.stdin.buffer.read()\n"
        f"sys.stdout.buffer.write({signature})\n"
    )


def test_made_on_first_use_for_the_user_alone(config: Path) -> None:
    assert keys.known_credentials() is None and keys.known_watermark_key() is None
    assert not config.exists()  # looking makes nothing
    found = keys.credentials()
    try_out(found)
    key = keys.watermark_key()
    assert len(key) == 32 and keys.watermark_key() == key and keys.credentials() == found
    for file in config.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.stat().st_mode) == 0o700


def test_init_makes_new_ones_only_when_told(config: Path) -> None:
    keys.init()
    first, mark = keys.credentials(), keys.watermark_key()
    with pytest.raises(UserError, match="already"):
        keys.init()
    keys.init(renew=True)
    second = keys.credentials()
    assert second.chain != first.chain and keys.watermark_key() == mark
    assert first.authority is not None and second.authority is not None
    assert first.authority in second.authority  # what was signed before is still one's own


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00", b"no certificate", b""])
def test_a_damaged_authority_is_made_anew(config: Path, damage: bytes) -> None:
    keys.init()
    before = keys.credentials()
    (config / keys.AUTHORITY).write_bytes(damage)
    made = keys.init(renew=True)
    assert made == keys.credentials() and made.chain != before.chain
    assert made.authority is not None and made.authority.count("BEGIN CERTIFICATE") == 1
    try_out(made)


@pytest.mark.parametrize(
    "name", [keys.WATERMARK, keys.AUTHORITY, keys.CHAIN, keys.PRIVATE, keys.CHOSEN]
)
def test_what_cannot_be_renewed_changes_nothing(config: Path, name: str) -> None:
    """Whatever is in the way is found before the first key is replaced."""
    keys.init()
    (config / name).unlink(missing_ok=True)
    (config / name).mkdir()
    before = contents(config)
    with pytest.raises(UserError, match=f"{name}'"):
        keys.init(renew=True)
    assert contents(config) == before


@pytest.mark.parametrize("damage", ["", "00", "zz"])
def test_a_damaged_watermark_key_costs_no_other(config: Path, damage: str) -> None:
    keys.init()
    (config / keys.WATERMARK).write_text(damage)
    before = contents(config)
    with pytest.raises(UserError, match=r"watermark\.key'"):
        keys.init(renew=True)
    assert contents(config) == before
    for name in (keys.CHAIN, keys.PRIVATE, keys.AUTHORITY):
        (config / name).unlink()
    for begin in (keys.init, keys.credentials):
        with pytest.raises(UserError, match=r"watermark\.key'"):
            begin()
        assert not (config / keys.PRIVATE).exists()


def test_a_damaged_certificate_says_what_makes_a_new_one(config: Path) -> None:
    keys.init()
    (config / keys.AUTHORITY).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="authority.pem' cannot be read .*not PEM.*--renew"):
        keys.credentials()


def test_an_expired_key_is_found_at_the_start(config: Path, tmp_path: Path) -> None:
    keys.init()
    for days, sentence in (((-9, -2), "expired on .*init --renew"), ((2, 9), "begins on .*clock")):
        chain, private, _ = issued(*days)
        (config / keys.CHAIN).write_text(chain)
        (config / keys.PRIVATE).write_text(private)
        with pytest.raises(UserError, match=sentence):
            Marking.ready()


def test_a_missing_key_is_found_at_the_start(config: Path) -> None:
    keys.init()
    (config / keys.PRIVATE).unlink()
    with pytest.raises(UserError, match="private.pem' does not exist: .*--renew"):
        Marking.ready()


def test_a_missing_certificate_does_not_cost_the_key(config: Path) -> None:
    keys.init()
    key = (config / keys.PRIVATE).read_text()
    (config / keys.CHAIN).unlink()
    for begin in (Marking.ready, keys.init):
        with pytest.raises(UserError, match="certificate.pem' of the key beside it is missing"):
            begin()
    assert (config / keys.PRIVATE).read_text() == key
    keys.init(renew=True)
    try_out(keys.credentials())


def test_files_of_others_that_are_missing(config: Path, tmp_path: Path) -> None:
    cert, key = pair(tmp_path / "bought")
    with pytest.raises(UserError, match="none.pem' does not exist: name one that is there") as told:
        keys.read_credentials(tmp_path / "none.pem", key, None)
    assert "--renew" not in str(told.value)
    with pytest.raises(UserError, match="no-key.pem' does not exist: name one that is there"):
        keys.read_credentials(cert, tmp_path / "no-key.pem", None)


def test_many_begin_at_once(config: Path) -> None:
    """Whoever is first makes the keys, and all sign with the same."""
    made = [
        subprocess.Popen(
            [sys.executable, "-c", "from skyloom.trust import keys; print(keys.credentials())"],
            stdout=subprocess.PIPE,
        )
        for _ in range(6)
    ]
    told = {process.communicate()[0] for process in made}
    assert all(process.returncode == 0 for process in made) and len(told) == 1
    try_out(keys.credentials())


def test_a_key_of_another_certificate(config: Path, tmp_path: Path) -> None:
    keys.init()
    (config / keys.PRIVATE).write_text(issued()[1])
    with pytest.raises(UserError, match="not that of the certificate"):
        Marking.ready()
    (config / keys.PRIVATE).write_text("no key")
    with pytest.raises(UserError, match="cannot be read"):
        Marking.ready()


def test_another_certificate_is_chosen(config: Path, tmp_path: Path) -> None:
    cert, key = pair(tmp_path / "bought")
    keys.sign_with(cert, key, None)
    found = keys.credentials()
    assert found.chain == cert.read_text()
    try_out(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"chain": 3},
        {"chain": "no\0file"},
        {"chain": "\ud800"},
        {"private": 5},
        {"private": None},
        {"private": None, "command": 5},
        {"command": "also a command"},
        {"folder": None},
        {"folder": ["/"]},
        {"colour": "red"},
    ],
)
def test_a_damaged_choice(config: Path, tmp_path: Path, wrong: dict[str, Any]) -> None:
    cert, key = pair(tmp_path / "bought")
    keys.sign_with(cert, key, None)
    chosen = config / keys.CHOSEN
    chosen.write_text(json.dumps(json.loads(chosen.read_text()) | wrong))
    for begin in (keys.credentials, keys.known_credentials, keys.init):
        with pytest.raises(UserError, match="sign-with.json' is damaged: choose again with"):
            begin()
    assert not (config / keys.CHAIN).exists()
    keys.init(renew=True)
    try_out(keys.credentials())


@pytest.mark.parametrize("text", ["", "[]", "3", '{"chain": "cert.pem"}', "\xff"])
def test_a_choice_that_is_none(config: Path, text: str) -> None:
    config.mkdir(parents=True)
    (config / keys.CHOSEN).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="sign-with.json' is damaged: choose again with"):
        keys.credentials()


def test_init_tells_of_what_it_made(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = pair(tmp_path / "bought")
    assert cli.main(["trust", "sign-with", str(cert), str(key)]) == 0
    bought = keys.credentials()
    capsys.readouterr()
    assert cli.main(["trust", "init"]) == 0
    told = capsys.readouterr().out
    assert bought.name not in told and f"'{cert}' was chosen" in told
    assert keys.credentials().chain == bought.chain
    (config / keys.CHOSEN).unlink()
    assert f"the certificate '{keys.credentials().name}'" in told
    assert cli.main(["trust", "init", "--renew"]) == 0
    told = capsys.readouterr().out
    assert f"the certificate '{keys.credentials().name}'" in told and "chosen" not in told


def test_a_command_signs(tmp_path: Path) -> None:
    cert, key = pair(tmp_path / "hsm")
    script = tmp_path / "sign.py"
    write_signer(script, "key.sign(data, ec.ECDSA(hashes.SHA256()))")  # DER
    try_out(keys.read_credentials(cert, None, f"{sys.executable} {script} {key}"))
    for command, sentence in (
        ("no-such-command", "does not run"),
        ("sh -c 'unbalanced", "quote that does not end"),
        ("  ", "is empty: name the program"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"the token is locked\")'", "token is locked"),
        (f"{sys.executable} -c 'print(1)'", "no es256 signature: it must write .* 64 bytes"),
    ):
        with pytest.raises(UserError, match=sentence):
            try_out(keys.read_credentials(cert, None, command))
    other, _ = pair(tmp_path / "other")
    with pytest.raises(UserError, match="does not sign with the key of the certificate 'signer"):
        try_out(keys.read_credentials(other, None, f"{sys.executable} {script} {key}"))


@pytest.mark.parametrize("kind", ["secp384r1", "secp521r1", "ed25519", "rsa"])
def test_a_command_signs_with_keys_of_every_kind(tmp_path: Path, kind: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    made = {
        "secp384r1": lambda: ec.generate_private_key(ec.SECP384R1()),
        "secp521r1": lambda: ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }[kind]()
    sign = {
        "secp384r1": "key.sign(data, ec.ECDSA(hashes.SHA384()))",
        "secp521r1": "key.sign(data, ec.ECDSA(hashes.SHA512()))",
        "ed25519": "key.sign(data)",
        "rsa": "key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())",
    }[kind]
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(signed_mail(made))
    key.write_bytes(pem_of(made))
    write_signer(tmp_path / "sign.py", sign)
    try_out(keys.read_credentials(cert, None, f"{sys.executable} sign.py key.pem", where=tmp_path))


def test_a_command_of_relative_paths_signs_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = pair(tmp_path / "hsm")
    script = tmp_path / "hsm" / "sign.sh"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} sign.py {key.name}\n")
    script.chmod(0o755)
    write_signer(tmp_path / "hsm" / "sign.py", "key.sign(data, ec.ECDSA(hashes.SHA256()))")
    monkeypatch.chdir(tmp_path / "hsm")
    keys.sign_with(cert, None, "./sign.sh")
    monkeypatch.chdir("/")
    try_out(keys.credentials())
    (tmp_path / "hsm").rename(tmp_path / "gone")
    chosen = keys.folder() / keys.CHOSEN
    said = json.loads(chosen.read_text()) | {"chain": str(tmp_path / "gone" / cert.name)}
    chosen.write_text(json.dumps(said))
    with pytest.raises(UserError, match="chosen in '.*hsm', which is gone"):
        try_out(keys.credentials())


def test_certificates_that_c2pa_does_not_take(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    cert, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(signed_mail(key, purposes=False))
    private.write_bytes(pem_of(key))
    sentence = "lacks the key usage .* and the extended key usage .* and the identifier of its"
    with pytest.raises(UserError, match=sentence):
        try_out(keys.read_credentials(cert, private, None))
    cert.write_text("no certificate")
    with pytest.raises(UserError, match="no certificate"):
        keys.read_credentials(cert, private, None)
    with pytest.raises(UserError, match="one of them"):
        keys.read_credentials(cert, None, None)


def test_keys_of_kinds_that_nobody_here_knows(config: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    cert, private = pair(tmp_path / "bought")
    strange, its_key = tmp_path / "cert.pem", tmp_path / "key.pem"
    sentence = "is of a kind that C2PA does not know: use ECDSA on P-256"
    for chain in (BRAINPOOL_CERTIFICATE, signed_mail(ec.generate_private_key(ec.SECP192R1()))):
        strange.write_text(chain)
        with pytest.raises(UserError, match=f"cert.pem' {sentence}"):
            keys.read_credentials(strange, private, None)
    its_key.write_text(BRAINPOOL_KEY)
    with pytest.raises(UserError, match=f"The signing key {sentence}"):
        keys.check(keys.read_credentials(cert, its_key, None))


@pytest.mark.parametrize(
    ("held", "put", "sentence"),
    [
        (b"\x03\x42\x00\x04", b"\x03\x42\x00\x05", "key of '.*' cannot be read"),
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", "is no certificate"),
    ],
    ids=["a point that is none", "a version that is none"],
)
def test_certificates_with_a_flipped_bit(
    tmp_path: Path, held: bytes, put: bytes, sentence: str
) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    cert, private = pair(tmp_path / "bought")
    told = certificates.read_certificate(cert.read_text(), "it").public_bytes(Encoding.DER)
    cert.write_text(ssl.DER_cert_to_PEM_cert(told.replace(held, put, 1)))
    with pytest.raises(UserError, match=sentence):
        keys.read_credentials(cert, private, None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_refuses_files(config: Path) -> None:
    config.parent.parent.mkdir(mode=0o500)
    with pytest.raises(UserError, match="XDG_CONFIG_HOME"):
        keys.credentials()


def test_a_folder_that_cannot_be(config: Path) -> None:
    config.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="XDG_CONFIG_HOME"):
        keys.credentials()


def test_a_damaged_watermark_key(config: Path) -> None:
    keys.watermark_key()
    (config / keys.WATERMARK).write_text("zz")
    with pytest.raises(UserError, match="cannot be read"):
        keys.watermark_key()
    (config / keys.WATERMARK).write_text("00")
    with pytest.raises(UserError, match="1 bytes"):
        keys.watermark_key()
