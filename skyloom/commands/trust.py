"""The verbs `trust init` and `trust sign-with`: the keys of what is made here."""

import argparse
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs and their flags."""
    parser = add_verb(
        verbs,
        "trust",
        "the keys with which everything made here is signed and marked",
        "skyloom trust init\nskyloom trust sign-with cert.pem key.pem",
        run_init,
    )
    below = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    init = add_verb(
        below,
        "init",
        "make a signing key and certificate of one's own",
        "skyloom trust init\nskyloom trust init --renew",
        run_init,
    )
    init.add_argument("--renew", action="store_true",
                      help="in the place of the old ones; the watermark's key stays")  # fmt: skip
    add = add_verb(
        below,
        "sign-with",
        "sign with another certificate from now on",
        "skyloom trust sign-with cert.pem key.pem\n"
        'skyloom trust sign-with cert.pem --command "pkcs11-sign --slot 0"',
        run_sign_with,
    ).add_argument
    add("certificate", type=Path, metavar="CERT",
        help="PEM: the certificate, then those above it")  # fmt: skip
    add("private", type=Path, nargs="?", metavar="KEY", help="PEM: its key, without a password")
    add("--command", metavar="COMMAND", help="signs what it reads from stdin, for a key that does "
        "not leave its device; with SHA-2 and the key of CERT, DER or raw to stdout")  # fmt: skip


def run_init(args: argparse.Namespace) -> None:
    """Make keys and say where they are."""
    from skyloom.trust import keys
    from skyloom.trust.provenance import try_out

    made = keys.init(args.renew)
    try_out(made)
    place = keys.folder()
    print(f"{place}: a signing key, the certificate '{made.name}', and the watermark's key")
    if (chosen := keys.chosen()) is not None:
        print(f"'{chosen.chain}' was chosen with 'skyloom trust sign-with' and goes on signing")


def run_sign_with(args: argparse.Namespace) -> None:
    """Try the certificate and its key out, then choose them."""
    from skyloom.trust import keys
    from skyloom.trust.provenance import try_out

    found = keys.read_credentials(args.certificate, args.private, args.command)
    keys.check(found)
    try_out(found)
    keys.sign_with(args.certificate, args.private, args.command)
    print(f"from now on '{found.name}' signs what is made here")
