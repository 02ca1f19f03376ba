"""A small identity provider on the loopback address: discovery, authorization code flow with PKCE, user info."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "workbench", "oidc-secret-of-the-test"


class Provider:
    """Signs in whoever ``person`` says; ``spoil`` changes the claims of its token."""

    def __init__(self) -> None:
        self.person = {"sub": "1", "email": "ana@example.org", "email_verified": True, "groups": ["control-room"]}
        self.spoil: dict[str, object] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def answer(self, content: object, status: int = 200) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
                provider.asked.append(path)
                if path == "/.well-known/openid-configuration":
                    self.answer(
                        {
                            "issuer": provider.issuer,
                            "authorization_endpoint": f"{provider.issuer}/authorize",
                            "token_endpoint": f"{provider.issuer}/token",
                            "userinfo_endpoint": f"{provider.issuer}/userinfo",
                        }
                    )
                elif path == "/authorize":
                    one = {name: values[0] for name, values in query.items()}
                    code = secrets.token_hex(8)
                    provider.codes[code] = one
                    self.send_response(302)
                    back = urlencode({"code": code, "state": one["state"]})
                    self.send_header("Location", f"{one['redirect_uri']}?{back}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif path == "/userinfo":
                    self.answer(provider.person)
                else:
                    self.answer({"error": "not found"}, 404)

            def do_POST(self) -> None:
                provider.asked.append(self.path)
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                asked = provider.codes.pop(form["code"][0], None)
                given = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
                challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"][0].encode()).digest())
                right = (
                    asked is not None
                    and self.headers.get("Authorization") == f"Basic {given}"
                    and asked["code_challenge"] == challenge.decode().rstrip("=")
                    and asked["redirect_uri"] == form["redirect_uri"][0]
                )
                if not right:
                    self.answer({"error": "invalid_grant"}, 400)
                    return
                claims = {
                    "iss": provider.issuer,
                    "aud": CLIENT,
                    "sub": provider.person["sub"],
                    "exp": int(time.time()) + 300,
                    "nonce": asked["nonce"],
                    **provider.spoil,
                }
                parts = [{"alg": "RS256"}, claims]
                token = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
                self.answer({"access_token": "opaque", "token_type": "Bearer", "id_token": token + ".c2ln"})

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
