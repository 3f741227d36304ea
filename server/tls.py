"""TLS for both faces from the same three PEM files: certificate, key, and who may sign clients'.

Files that change are read again before the next handshake: a certificate may be renewed without a restart.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.config import Settings
from server.errors import StartupError
from server.watched_files import WatchedFiles

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the PEM files are."""

    certificate: Path
    key: Path
    client_ca: Path | None  # clients must have a certificate that one of these signed

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return [path for path in (self.certificate, self.key, self.client_ca) if path is not None]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was in the files, found to fit together."""

    context: ssl.SSLContext
    certificate: bytes
    key: bytes
    client_ca: bytes | None


class Tls:
    """What both faces show and ask for at a handshake. Raises StartupError naming the setting at fault.

    Files that do not fit together later leave everything as it was; `on_reload` is told why, or "".
    """

    def __init__(self, files: TlsFiles, on_reload: Callable[[str], None] = lambda _: None) -> None:
        self._files = files
        self._on_reload = on_reload
        self._watched = WatchedFiles(files.paths)
        self._reading = threading.Lock()  # gRPC's handshakes are in threads of its own
        self._read = _read(files)

    @property
    def certificate(self) -> Path:
        """The file of the server's certificate chain."""
        return self._files.certificate

    def reload(self) -> None:
        """Reads the files now."""
        with self._reading:
            self._read_again()

    def context(self) -> ssl.SSLContext:
        """For HTTP: TLS 1.2 or later, 1.3 for mTLS; each handshake goes on with the newest files."""
        listening = _context(self._files)
        listening.sni_callback = self._continue  # called for clients that name no server, too
        return listening

    def _continue(self, connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> None:
        connection.context = self._newest().context

    def credentials(self) -> grpc.ServerCredentials:
        """For gRPC."""
        import grpc

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(), self._configuration, require_client_authentication=self._asks_clients
        )

    @property
    def _asks_clients(self) -> bool:
        return self._files.client_ca is not None

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        import grpc

        newest = self._newest()
        return grpc.ssl_server_certificate_configuration([(newest.key, newest.certificate)], newest.client_ca)

    def _newest(self) -> _Read:
        with self._reading:
            if self._watched.changed():
                self._read_again()
            return self._read

    def _read_again(self) -> None:
        self._watched.note()
        try:
            self._read = _read(self._files)
        except StartupError as error:
            self._on_reload(str(error))
        else:
            self._on_reload("")


def tls_of(settings: Settings, on_reload: Callable[[str], None] = lambda _: None) -> Tls | None:
    """What the settings ask for, None for plain text. Raises StartupError naming the setting at fault."""
    paths = {
        name: Path(value)
        for name in ("tls_certificate", "tls_key", "tls_client_ca")
        if (value := getattr(settings, name)) not in ("", "none")
    }
    if not paths:
        return None
    for name in ("tls_certificate", "tls_key"):
        if name not in paths:
            raise StartupError(f"{name}: is needed where {', '.join(paths)} is set")
    files = TlsFiles(paths["tls_certificate"], paths["tls_key"], paths.get("tls_client_ca"))
    return Tls(files, on_reload)


def _read(files: TlsFiles) -> _Read:
    certificate, key = _bytes("tls_certificate", files.certificate), _bytes("tls_key", files.key)
    client_ca = None if files.client_ca is None else _bytes("tls_client_ca", files.client_ca)
    return _Read(_context(files), certificate, key, client_ca)


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise StartupError(
            f"tls_certificate, tls_key: no pair of a PEM certificate and its key: {error}"
        ) from error
    if files.client_ca is not None:
        _require_client_certificates(context, files.client_ca)
    return context


def _require_client_certificates(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise StartupError(f"tls_client_ca: no PEM certificates: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED
    # A resumed session shows no certificate: it would outlive its authority. 1.2 also resumes by session ids,
    # which Python cannot turn off.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0


def _bytes(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartupError(f"{name}: {path}: {error.strerror}") from error
