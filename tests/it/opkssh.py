"""A certificate as `opkssh login` leaves it: an SSH key, and a certificate for it, signed by itself, that carries a PK token of
OpenPubkey. The provider is the development issuer.

    opkssh.py FOLDER NAME ISSUER SUBJECT AUDIENCE ed25519|ecdsa [FOLDER/OTHER]

With OTHER the certificate is for that key, and carries the token of this one.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

folder, name, issuer, subject, audience, kind = sys.argv[1:7]
path = os.path.join(folder, name)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_of(value) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


bits = ["-b", "256"] if kind == "ecdsa" else []
subprocess.run(
    ["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", "opkssh", "-f", path], check=True
)
with open(path, "rb") as file:
    key = serialization.load_ssh_private_key(file.read(), password=None)
if kind == "ecdsa":
    numbers = key.public_key().public_numbers()
    upk = {
        "alg": "ES256",
        "kty": "EC",
        "crv": "P-256",
        "x": encode(numbers.x.to_bytes(32, "big")),
        "y": encode(numbers.y.to_bytes(32, "big")),
    }
else:
    raw = key.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    upk = {"alg": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": encode(raw)}

# The client instance claims: the key, and something random, so that the nonce tells the provider nothing.
header = json_of({"alg": upk["alg"], "rz": os.urandom(32).hex(), "typ": "CIC", "upk": upk})
nonce = encode(hashlib.sha3_256(header).digest())
wish = {
    "subject": subject,
    "kind": "human",
    "groups": ["engineers", "dpo"],
    "aud": audience,
    "nonce": nonce,
}
request = urllib.request.Request(
    issuer + "/token", data=json.dumps(wish).encode(), headers={"Content-Type": "application/json"}
)
with urllib.request.urlopen(request, timeout=20) as answer:
    id_token = json.load(answer)["access_token"]
op_header, payload, op_signature = id_token.split(".")
signed = f"{encode(header)}.{payload}".encode()
if kind == "ecdsa":
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
else:
    signature = key.sign(signed)
token = ":".join([payload, op_header, op_signature, encode(header), encode(signature)])

bearer = sys.argv[7] if len(sys.argv) > 7 else path
subprocess.run(
    ["ssh-keygen", "-q", "-s", bearer, "-I", subject, "-n", "anybody"]
    + ["-O", f"extension:openpubkey-pkt={token}", bearer + ".pub"],
    check=True,
)
