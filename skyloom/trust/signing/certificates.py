"""Certificates: what they say, and how one of one's own is issued.

C2PA takes certificates with a key usage, an extended key usage (here: that of signed mail) and the
identifier of their authority, signed by ECDSA, Ed25519 or RSA-PSS.
"""

import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from skyloom.errors import UserError

PURPOSES = {"1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36"}
"""Extended key usages of certificates that sign: e-mail protection, and document signing."""


def read_certificate(pem: str, what: str) -> Any:
    """The first certificate of a PEM text; `what` is how an error calls it."""
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(pem.encode())
    except (ValueError, InvalidVersion) as error:
        raise UserError(f"{what} is no certificate: it must be PEM, BEGIN CERTIFICATE.") from error


def authorities(path: Path) -> str:
    """PEM of the certificates in a file, whole ones; nothing where it is missing or damaged.

    Raises:
        UserError: it is there and refuses to be read.
    """
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

    try:
        told = path.read_text(encoding="ascii")
        load_pem_x509_certificates(told.encode())
    except (FileNotFoundError, ValueError, InvalidVersion):
        return ""
    except OSError as error:
        raise UserError(
            f"The authorities in '{path}' cannot be read ({error.strerror}): move it away."
        ) from error
    return told


def algorithm(certificate: Any, path: Path) -> str:
    """C2PA's name of the way in which a certificate's key signs; `path` is what an error names.

    Raises:
        UserError: the key is of no kind that C2PA knows, or broken.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    what = f"The key of '{path}'"
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm as error:
        raise unknown_kind(what) from error
    except ValueError as error:
        raise UserError(f"{what} cannot be read: ask for the certificate anew.") from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return "ps256"
    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in curves:
        return curves[key.curve.name]
    raise unknown_kind(what)


def unknown_kind(what: str) -> UserError:
    """The sentence that refuses a key; `what` is how it calls the key."""
    return UserError(
        f"{what} is of a kind that C2PA does not know: use ECDSA on P-256, P-384 or P-521, "
        "Ed25519, or RSA of 2048 bits or more."
    )


def check_key(private: str, certificate: Any, name: str) -> None:
    """Find out whether a key, in PEM, is that of a certificate; `name` is how an error calls it.

    Raises:
        UserError: it is not, cannot be read, or is of no kind that C2PA knows.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private.encode(), None)
    except UnsupportedAlgorithm as error:
        raise unknown_kind("The signing key") from error
    except (ValueError, TypeError) as error:
        raise UserError(
            "The signing key cannot be read: it must be PEM without a password; for a key that "
            "must not lie in a file, use 'skyloom trust sign-with cert.pem --command ...'."
        ) from error
    if _public(key.public_key()) != _public(certificate.public_key()):
        raise UserError(
            f"The signing key is not that of the certificate '{name}': choose the pair that "
            "belongs together with 'skyloom trust sign-with'."
        )


def _public(key: Any) -> bytes:
    """A public key in bytes that can be compared."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def lacking(certificate: Any) -> list[str]:
    """What C2PA asks of a certificate that signs and this one has not, in words."""
    from cryptography import x509

    held = {extension.oid: extension.value for extension in certificate.extensions}
    oids = x509.oid.ExtensionOID
    lacks = []
    usage = held.get(oids.KEY_USAGE)
    if usage is None or not usage.digital_signature:
        lacks.append("the key usage 'digital signature'")
    purposes = held.get(oids.EXTENDED_KEY_USAGE)
    if purposes is None or not {one.dotted_string for one in purposes} & PURPOSES:
        lacks.append("the extended key usage 'e-mail protection' or 'document signing'")
    if oids.AUTHORITY_KEY_IDENTIFIER not in held:
        lacks.append("the identifier of its authority's key")
    return lacks


def verifies(certificate: Any, signature: bytes, data: bytes) -> bool:
    """Whether a certificate's key made this signature, which is r and s for ECDSA."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    key = certificate.public_key()
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            sha = {256: hashes.SHA256(), 384: hashes.SHA384()}.get(key.key_size, hashes.SHA512())
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(sha))
        else:
            sha256 = hashes.SHA256()
            salted = padding.PSS(padding.MGF1(sha256), padding.PSS.AUTO)
            key.verify(signature, data, salted, sha256)
    except InvalidSignature:
        return False
    return True


def issue(since: datetime, until: datetime) -> tuple[str, str, str]:
    """PEM of a new chain, its key, and its authority, whose own key is forgotten at once."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(name: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "skyloom, self-issued"),
            ]
        )

    def usage(signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(signs, False, False, False, False, not signs, not signs, False, False)

    above, below = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    mark = secrets.token_hex(4)  # two users' certificates do not have one name

    def certificate(key: Any, name: str, authority: bool) -> x509.Certificate:
        built = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(f"authority {mark}"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(authority, 0 if authority else None), True)
            .add_extension(usage(not authority), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False
            )
        )
        if not authority:
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            built = built.add_extension(purposes, False)
        return built.sign(above, hashes.SHA256())

    encoding = serialization.Encoding.PEM
    authority = certificate(above, f"authority {mark}", True).public_bytes(encoding).decode()
    leaf = certificate(below, f"signer {mark}", False).public_bytes(encoding).decode()
    private = below.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return leaf + authority, private.decode(), authority
