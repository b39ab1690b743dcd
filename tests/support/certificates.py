"""Certificates of a test's own, as the docker command wants them: ca.pem, cert.pem, key.pem."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_ADDRESS = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def certificates(folder: Path, *, address: x509.GeneralName = _ADDRESS) -> tuple[Path, Path]:
    """Two folders below `folder`: an engine's at `address`, and its client's, both of one new authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("authority")
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    authority = _certificate(name, name, key).add_extension(constraints, critical=True)
    ca = authority.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    for owner in ("engine", "client"):
        own = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate(_name(owner), name, own)
        if owner == "engine":
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        (folder / owner).mkdir()
        (folder / owner / "ca.pem").write_bytes(ca)
        signed = builder.sign(key, hashes.SHA256())
        (folder / owner / "cert.pem").write_bytes(signed.public_bytes(Encoding.PEM))
        (folder / owner / "key.pem").write_bytes(
            own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    return folder / "engine", folder / "client"


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, own: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(own.public_key()).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - day).not_valid_after(now + day)
