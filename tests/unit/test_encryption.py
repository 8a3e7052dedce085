"""Secrets at rest, and the key they depend on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from structlog.testing import capture_logs

from mission_control.core.encryption import KEY_FILE, SecretUnreadableError, Vault
from mission_control.core.settings import Settings, SettingsError
from tests.services import HANG_SECONDS


def settings(data_dir: Path, key: str | None = None) -> Settings:
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        mc_data_dir=data_dir,
        mc_secret_key=SecretStr(key) if key is not None else None,
    )


class TestVault:
    @pytest.mark.parametrize(
        "value", [None, [], {"tools": [{"secret": "s"}]}, "half an emoji \ud83d", "你好 🚚", 1.5]
    )
    def test_what_goes_in_comes_out_and_cannot_be_read(self, value: Any) -> None:
        vault = Vault(Fernet.generate_key())
        token = vault.encrypt_json(value)
        assert vault.decrypt_json(token) == value
        assert b"secret" not in token

    def test_bytes(self) -> None:
        vault = Vault(Fernet.generate_key())
        assert vault.decrypt(vault.encrypt(b"\x00\xff")) == b"\x00\xff"

    @pytest.mark.parametrize(
        "token",
        [b"", b"nonsense", Fernet(Fernet.generate_key()).encrypt(b"1")],
        ids=["nothing", "nonsense", "another key's"],
    )
    def test_what_another_key_encrypted_is_a_named_error(self, token: bytes) -> None:
        with pytest.raises(SecretUnreadableError, match="put the former key back"):
            Vault(Fernet.generate_key()).decrypt_json(token)

    def test_a_changed_token_is_refused(self) -> None:
        vault = Vault(Fernet.generate_key())
        token = bytearray(vault.encrypt_json("x"))
        token[20] ^= 1
        with pytest.raises(SecretUnreadableError):
            vault.decrypt_json(bytes(token))

    def test_keys_can_be_rotated(self, tmp_path: Path) -> None:
        old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
        token = Vault.open(settings(tmp_path, old)).encrypt_json("x")
        both = Vault.open(settings(tmp_path, f"{new}, {old}"))
        assert both.decrypt_json(token) == "x"
        assert Vault(new).decrypt_json(both.encrypt_json("y")) == "y"
        assert not (tmp_path / KEY_FILE).exists()

    @pytest.mark.parametrize("key", ["short", ",", f"{'A' * 43}=,x"])
    def test_a_setting_that_is_no_key(self, tmp_path: Path, key: str) -> None:
        with pytest.raises(SettingsError, match="Make one with") as caught:
            Vault.open(settings(tmp_path, key))
        assert key not in caught.value.message.replace("separated by commas", "") or key == ","


class TestKeyFile:
    def test_it_is_made_once_and_for_us_alone(self, tmp_path: Path) -> None:
        data_dir = tmp_path / "new" / "data"
        token = Vault.open(settings(data_dir)).encrypt_json("x")
        assert Vault.open(settings(data_dir)).decrypt_json(token) == "x"
        assert (data_dir / KEY_FILE).stat().st_mode & 0o777 == 0o600
        assert os.listdir(data_dir) == [KEY_FILE]  # noqa: PTH208

    def test_an_open_file_is_closed_to_others(self, tmp_path: Path) -> None:
        path = tmp_path / KEY_FILE
        path.write_bytes(Fernet.generate_key() + b"\n")
        path.chmod(0o644)
        with capture_logs() as logs:
            Vault.open(settings(tmp_path)).encrypt_json("x")
        assert path.stat().st_mode & 0o777 == 0o600
        assert [log["event"] for log in logs] == ["key_file_was_open_to_others"]

    @pytest.mark.parametrize("content", [b"", b"nonsense"])
    def test_a_damaged_file_is_kept_and_named(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / KEY_FILE
        path.write_bytes(content)
        with pytest.raises(SettingsError, match="does not hold a key"):
            Vault.open(settings(tmp_path))
        assert path.read_bytes() == content

    def test_a_place_where_nothing_can_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(SettingsError, match="set MC_SECRET_KEY"):
            Vault.open(settings(tmp_path / "file"))

    def test_processes_that_start_together_agree_on_one_key(self, tmp_path: Path) -> None:
        program = (
            "import sys; from pathlib import Path;"
            "from mission_control.core.encryption import _from_file;"
            "print('ready', flush=True); sys.stdin.readline();"
            "print(_from_file(Path(sys.argv[1])).encrypt_json(1).decode())"
        )
        path = tmp_path / KEY_FILE
        children = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(6)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        tokens = [child.communicate(timeout=HANG_SECONDS)[0].strip() for child in children]
        vault = Vault.open(settings(tmp_path))
        assert [vault.decrypt_json(token.encode()) for token in tokens] == [1] * 6
        assert os.listdir(tmp_path) == [KEY_FILE]  # noqa: PTH208
