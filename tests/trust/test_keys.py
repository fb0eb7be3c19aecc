"""Keys and certificates: made on first use, tried before the work, refused in one sentence."""

import json
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from skyloom.errors import UserError
from skyloom.trust import keys
from skyloom.trust.marking import Marking
from skyloom.trust.provenance import try_out
from skyloom.trust.signing import certificates


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "skyloom" / "trust"


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
    (config / keys.CHOSEN).write_text(json.dumps({"chain": 3}))
    with pytest.raises(UserError, match="sign-with"):
        keys.credentials()


def test_a_command_signs(tmp_path: Path) -> None:
    cert, key = pair(tmp_path / "hsm")
    script = tmp_path / "sign.py"
    script.write_text(
        "import sys\n"
        "from cryptography.hazmat.primitives import hashes\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        "from cryptography.hazmat.primitives.serialization import load_pem_private_key\n"
        f"key = load_pem_private_key(open({str(key)!r}, 'rb').read(), None)\n"
        "data = sys.stdin.buffer.read()\n"
        "sys.stdout.buffer.write(key.sign(data, ec.ECDSA(hashes.SHA256())))\n"  # DER
    )
    try_out(keys.read_credentials(cert, None, f"{sys.executable} {script}"))
    for command, sentence in (
        ("no-such-command", "does not run"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"the token is locked\")'", "token is locked"),
        (f"{sys.executable} -c 'print(1)'", "no es256 signature"),
    ):
        with pytest.raises(UserError, match=sentence):
            try_out(keys.read_credentials(cert, None, command))


def test_certificates_that_c2pa_does_not_take(tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bare")])
    now = datetime.now(UTC)
    bare = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(9))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    cert, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(bare.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(UserError, match="must be one for C2PA"):
        try_out(keys.read_credentials(cert, private, None))
    cert.write_text("no certificate")
    with pytest.raises(UserError, match="no certificate"):
        keys.read_credentials(cert, private, None)
    with pytest.raises(UserError, match="one of them"):
        keys.read_credentials(cert, None, None)


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
