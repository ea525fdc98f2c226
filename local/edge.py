#!/usr/bin/env python3
"""What stands before the engine on a machine without DNS: the distribution, and a token issuer.

MiniStack serves a distribution under its own host name, which resolves in browsers at best; here
the same distribution answers at 127.0.0.1. /issuer/ is the OpenID provider that the API's JWT
authorizer trusts locally; `bearer.py` signs with its key.
"""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from engine import Engine

KEY_ID = "local"
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "host"}


def issuer_key(engine: Engine) -> rsa.RSAPrivateKey:
    """The issuer's key, made when first asked for."""
    file = engine.dir / "issuer.pem"
    if file.exists():
        key = serialization.load_pem_private_key(file.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file.touch(mode=0o600)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return key


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def issuer_documents(engine: Engine) -> dict[str, bytes]:
    numbers = issuer_key(engine).public_key().public_numbers()
    key = {
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
        "n": b64url(numbers.n.to_bytes(256, "big")), "e": b64url(numbers.e.to_bytes(3, "big")),
    }
    provider = {"issuer": engine.issuer, "jwks_uri": f"{engine.issuer}/jwks.json"}
    return {
        "/issuer/.well-known/openid-configuration": json.dumps(provider).encode(),
        "/issuer/jwks.json": json.dumps({"keys": [key]}).encode(),
    }


class Edge(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine
    documents: dict[str, bytes]

    def do_GET(self) -> None:
        document = self.documents.get(self.path)
        if document is None:
            self.forward()
        else:
            self.answer(200, {"Content-Type": "application/json"}, document)

    def do_HEAD(self) -> None:
        self.forward()

    def do_OPTIONS(self) -> None:
        self.forward()

    def forward(self) -> None:
        try:
            outputs = json.loads((self.engine.dir / "outputs.json").read_text())
        except FileNotFoundError:
            self.answer(503, {}, b"nothing is deployed\n")
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        headers["Host"] = outputs["DistributionDomain"]
        upstream = http.client.HTTPConnection("127.0.0.1", self.engine.port, timeout=60)
        try:
            upstream.request(self.command, self.path, headers=headers)
            response = upstream.getresponse()
            kept = {k: v for k, v in response.getheaders() if k.lower() not in HOP_BY_HOP | {"date", "server"}}
            body = response.read()
        except OSError as error:
            self.answer(502, {}, f"the engine does not answer: {error}\n".encode())
        else:
            self.answer(response.status, kept, body)
        finally:
            upstream.close()

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if key.lower() != "content-length":
                self.send_header(key, value)
        length = headers.get("Content-Length") or headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    engine = Engine.load(sys.argv[1])
    assert engine is not None
    Edge.engine = engine
    Edge.documents = issuer_documents(engine)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", engine.port + 1), Edge)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
