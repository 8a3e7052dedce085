"""Secrets at rest: what is stored encrypted, and the key it is encrypted with."""

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from mission_control.core.errors import ConflictError
from mission_control.core.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

KEY_FILE = "secret.key"
HOW_TO_MAKE_A_KEY = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


class SecretUnreadableError(ConflictError):
    """What is stored was encrypted with another key."""

    code = "secret_unreadable"


class Vault:
    """Encrypts and decrypts JSON values. Several keys: the first encrypts, all decrypt."""

    def __init__(self, *keys: str | bytes) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def open(cls, settings: Settings) -> "Vault":
        """With the key of MC_SECRET_KEY (several: separated by commas), else of the key file.

        Raises:
            SettingsError: Neither holds a usable key.
        """
        if settings.mc_secret_key is None:
            return _from_file(settings.data_dir / KEY_FILE)
        keys = settings.mc_secret_key.get_secret_value().split(",")
        try:
            return cls(*(key.strip() for key in keys if key.strip()))
        except ValueError:
            raise SettingsError(
                "MC_SECRET_KEY is not a Fernet key (several: separated by commas). "
                f"Make one with: {HOW_TO_MAKE_A_KEY}"
            ) from None

    def encrypt(self, data: bytes) -> bytes:
        return self._fernet.encrypt(data)

    def decrypt(self, token: bytes) -> bytes:
        """Raises SecretUnreadableError."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise SecretUnreadableError(
                "A stored secret cannot be decrypted: it was encrypted with another key. Nothing "
                "was changed; put the former key back (add it to MC_SECRET_KEY after a comma, or "
                "restore secret.key in the data directory)."
            ) from None

    def encrypt_json(self, value: Any) -> bytes:
        return self.encrypt(json.dumps(value).encode("ascii"))

    def decrypt_json(self, token: bytes) -> Any:
        """Raises SecretUnreadableError."""
        return json.loads(self.decrypt(token))


def _from_file(path: Path) -> Vault:
    try:
        key = _key_in(path)
    except OSError as exc:
        raise SettingsError(
            f"The key file {path} cannot be read or made ({exc.strerror}). "
            "Correct its permissions, or set MC_SECRET_KEY."
        ) from exc
    try:
        return Vault(key.strip())
    except ValueError:
        raise SettingsError(
            f"The key file {path} does not hold a key. Restore it from a backup; without it, what "
            "was encrypted stays unreadable. Removing it makes a new one."
        ) from None


def _key_in(path: Path) -> bytes:
    """The key in this file, made on first use. Of several processes starting at once, one wins."""
    if not path.exists():
        _make_key(path)
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning("key_file_was_open_to_others", path=str(path))
        path.chmod(0o600)
    return path.read_bytes()


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".secret-", delete=False) as fresh:
        fresh.write(Fernet.generate_key())  # the file is made 0600
        fresh.flush()
        os.fsync(fresh.fileno())
    try:
        # Appears whole or not at all, and never replaces a key that is in use.
        os.link(fresh.name, path)
    except FileExistsError:
        pass  # another process was faster; its key is the key
    finally:
        Path(fresh.name).unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """So that a power cut cannot take the key and leave what was encrypted with it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
