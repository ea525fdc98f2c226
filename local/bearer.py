#!/usr/bin/env python3
"""Prints a bearer token of the local issuer: bearer.py SUBJECT."""

from __future__ import annotations

import argparse
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from edge import KEY_ID, b64url, issuer_key
from engine import AUDIENCE, Engine

LIFETIME_SECONDS = 12 * 3600


def claims_for(
    engine: Engine, subject: str, audience: str = AUDIENCE, lifetime: int = LIFETIME_SECONDS
) -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": engine.issuer, "aud": audience, "sub": subject,
        "iat": min(now, now + lifetime), "exp": now + lifetime,
    }


def token(key: rsa.RSAPrivateKey, claims: dict[str, object]) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    signed = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64url(signature)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject")
    parser.add_argument("--name", default="run")
    parser.add_argument("--audience", default=AUDIENCE)
    parser.add_argument("--lifetime", type=int, default=LIFETIME_SECONDS, help="seconds; negative: already expired")
    parser.add_argument("--forged", action="store_true", help="signed with a key that the issuer does not have")
    args = parser.parse_args()
    engine = Engine.get(args.name)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048) if args.forged else issuer_key(engine)
    print(token(key, claims_for(engine, args.subject, args.audience, args.lifetime)))


if __name__ == "__main__":
    main()
