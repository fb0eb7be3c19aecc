"""URLs of clients: fetched from the list alone, and from no network that is not public."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sites import BYTES, site

from skyloom.errors import UserError
from skyloom.serve.intake.fetching import Fetcher, Source, _Connection, is_public
from skyloom.serve.problem import Problem

LARGEST = 2**20


def fetcher(*allowed: str, seconds: float = 20.0) -> Fetcher:
    return Fetcher([Source.parse(each) for each in allowed], seconds)


def got(fetcher: Fetcher, url: str) -> bytes:
    with fetcher.fetched(url, "input_reference", LARGEST) as file:
        return file.read()


def refusal(fetcher: Fetcher, url: str, code: str = "url_not_allowed") -> str:
    with pytest.raises(Problem) as caught:
        got(fetcher, url)
    problem = caught.value
    assert (problem.status, problem.param, problem.code) == (400, "input_reference", code)
    return problem.message


def test_what_the_list_has_is_fetched_and_nothing_else() -> None:
    with site() as (port, asked), site() as (other, never):
        here = f"http://127.0.0.1:{port}"
        mine = fetcher(f"{here}/pictures/")
        assert got(mine, f"{here}/pictures/a.png?size=1") == BYTES
        assert asked == [("/pictures/a.png?size=1", f"127.0.0.1:{port}")]
        for url in (
            f"http://127.0.0.1:{other}/pictures/a.png",
            f"http://localhost:{port}/pictures/a.png",
            f"https://127.0.0.1:{port}/pictures/a.png",
            f"{here}/secret",
            f"{here}/pictures",
            f"{here}/picturesque",
            f"{here}/pictures/../secret",
            f"{here}/pictures/%2e%2e/secret",
            f"{here}/pictures/..%2fsecret",
            f"{here}/pictures/%252e%252e/secret",
            f"{here}/pictures/..\\secret",
            f"http://anna:secret@127.0.0.1:{port}/pictures/a.png",
            f"http://127.0.0.1:{port}@media.example.org/pictures/",
            f"http://[::ffff:127.0.0.1]:{port}/pictures/a.png",
            f"http://2130706433:{port}/pictures/a.png",
            f"http://127.1:{port}/pictures/a.png",
            f"{here}/pictures/a b",
            f"{here}/pictures/a\r\nhost: other",
            "file:///etc/passwd",
            "file://127.0.0.1/etc/passwd",
            f"ftp://127.0.0.1:{port}/pictures/a.png",
            f"gopher://127.0.0.1:{port}/pictures/",
            "http://[::1/x",
            "http://127.0.0.1:99999/",
            "//127.0.0.1/pictures/",
            "http:///pictures/",
        ):
            refusal(mine, url)
        assert len(asked) == 1 and never == []
        assert "fetches none" in refusal(fetcher(), f"{here}/pictures/a.png")


def test_redirects_stay_within_the_list() -> None:
    with site() as (port, asked), site() as (other, never):
        here = f"http://127.0.0.1:{port}"
        mine = fetcher(here)
        assert got(mine, f"{here}/to//a.png") == BYTES
        assert got(mine, f"{here}/to/{here}/a.png") == BYTES
        for out in (f"http://127.0.0.1:{other}/", "file:///etc/passwd", "http://169.254.169.254/"):
            refusal(mine, f"{here}/to/{out}")
        asked.clear()
        refusal(mine, f"{here}/to//to//to//to//to//to//a.png", "url_not_fetched")
        assert len(asked) == 4 and never == []


def test_a_name_that_leads_into_a_private_network_is_refused_even_on_the_list() -> None:
    with site() as (port, asked):
        said = refusal(
            fetcher(f"http://localhost:{port}"), f"http://localhost:{port}/a", "url_not_fetched"
        )
        assert "no public network" in said and asked == []
    missing = refusal(fetcher("nobody.invalid"), "https://nobody.invalid/a", "url_not_fetched")
    assert "does not answer" in missing


def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    """What the name resolves to a moment later is nobody's question: here it does not at all."""
    with site() as (port, asked):
        source = Source.parse(f"http://media.invalid:{port}")
        with _Connection(source, "127.0.0.1", time.monotonic() + 10) as connection:
            connection.request("GET", "/a")
            with connection.getresponse() as answer:
                assert answer.status == 200
        assert asked == [("/a", f"media.invalid:{port}")]


def test_ipv6_as_digits_however_they_are_written() -> None:
    try:
        with site("::1") as (port, _):
            mine = fetcher(f"http://[::1]:{port}/")
            assert got(mine, f"http://[0:0::1]:{port}/a") == BYTES
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    ("address", "public"),
    [("93.184.215.14", True), ("2606:2800:21f:cb07::1", True), ("127.0.0.1", False),
     ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.0.1", False), ("169.254.169.254", False),
     ("100.64.0.1", False), ("0.0.0.0", False), ("255.255.255.255", False), ("224.0.0.1", False),
     ("::1", False), ("::", False), ("fe80::1", False), ("fe80::1%lo", False), ("fc00::1", False),
     ("fec0::1", False), ("ff02::1", False), ("::ffff:10.0.0.1", False),
     ("::ffff:93.184.215.14", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False)],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_limits_of_size_and_time() -> None:
    with site() as (port, _):
        here = f"http://127.0.0.1:{port}"
        mine = fetcher(here)
        for path in ("lying", "endless"):
            assert "larger than the 1 MiB" in refusal(mine, f"{here}/{path}", "url_not_fetched")
        assert "too early" in refusal(mine, f"{here}/short", "url_not_fetched")
        assert "404" in refusal(mine, f"{here}/none", "url_not_fetched")
        began = time.monotonic()
        slow = refusal(fetcher(here, seconds=0.5), f"{here}/slow", "url_not_fetched")
        assert "longer than 0.5 s" in slow and time.monotonic() - began < 5


def test_a_server_that_drips_its_headers_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    for letter in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 400:
                        connection.send(bytes([letter]))
                        time.sleep(0.05)
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        began, here = time.monotonic(), f"http://127.0.0.1:{port}"
        refusal(fetcher(here, seconds=0.5), f"{here}/a", "url_not_fetched")
        assert time.monotonic() - began < 5
        thread.join(10)


def test_certificates_are_checked_for_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with site(context=context) as (port, _):
        here = f"https://127.0.0.1:{port}"
        assert "certificate" in refusal(fetcher(here), f"{here}/a", "url_not_fetched")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert got(fetcher(here), f"{here}/a") == BYTES
        source = Source.parse(f"https://media.invalid:{port}")
        with (
            _Connection(source, "127.0.0.1", time.monotonic() + 10) as connection,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            connection.request("GET", "/a")


@pytest.mark.parametrize(
    "text",
    ["", "ftp://host/", "https://", "https://a:b@host/", "https://host/../x", "a host"],
)
def test_what_cannot_be_on_a_list(text: str) -> None:
    with pytest.raises(UserError, match="cannot be allowed"):
        Source.parse(text)


def test_a_host_alone_is_all_of_it_over_https() -> None:
    assert Source.parse("Media.example.org") == Source("https", "media.example.org", 443, "/")
    assert Source.parse("10.0.0.5:8443") == Source("https", "10.0.0.5", 8443, "/")


def _certificate(folder: Path) -> Path:
    """A key and a certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
