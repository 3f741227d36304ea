"""TLS for both faces from the same three PEM files: certificate, key, and who may sign clients'."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.config import Settings
from server.errors import StartupError

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """The files, read and found to fit together."""

    certificate: Path
    key: Path
    client_ca: Path | None  # clients must have a certificate that one of these signed

    def context(self) -> ssl.SSLContext:
        """For HTTP: TLS 1.2 or later. Raises StartupError that names the setting at fault."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise StartupError(
                f"tls_certificate, tls_key: no pair of a PEM certificate and its key: {error}"
            ) from error
        if self.client_ca is not None:
            self._require_client_certificates(context, self.client_ca)
        return context

    def _require_client_certificates(self, context: ssl.SSLContext, authorities: Path) -> None:
        try:
            context.load_verify_locations(authorities)
        except (OSError, ssl.SSLError) as error:
            raise StartupError(f"tls_client_ca: no PEM certificates: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED

    def credentials(self) -> grpc.ServerCredentials:
        """For gRPC."""
        import grpc

        pair = [(self.key.read_bytes(), self.certificate.read_bytes())]
        authorities = None if self.client_ca is None else self.client_ca.read_bytes()
        return grpc.ssl_server_credentials(pair, authorities, require_client_auth=authorities is not None)


def tls_of(settings: Settings) -> Tls | None:
    """What the settings ask for, None for plain text. Raises StartupError naming the setting at fault."""
    paths: dict[str, Path] = {}
    for name in ("tls_certificate", "tls_key", "tls_client_ca"):
        if (value := getattr(settings, name)) not in ("", "none"):
            paths[name] = _readable(name, Path(value))
    if not paths:
        return None
    for name in ("tls_certificate", "tls_key"):
        if name not in paths:
            raise StartupError(f"{name}: is needed where {', '.join(paths)} is set")
    found = Tls(paths["tls_certificate"], paths["tls_key"], paths.get("tls_client_ca"))
    found.context()
    return found


def _readable(name: str, path: Path) -> Path:
    try:
        path.read_bytes()
    except OSError as error:
        raise StartupError(f"{name}: {path}: {error.strerror}") from error
    return path
