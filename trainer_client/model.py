"""The policy and its tokenizer: loaded from a Hugging Face checkpoint, or made small from nothing.

Both ways end in the same two objects, a `PreTrainedModel` and a
`PreTrainedTokenizerBase` with a chat template, so that nothing downstream
knows which it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_client.recipe import ModelSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAD, END, USER, ASSISTANT = "<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True)
class Policy:
    """A causal language model with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def prompt_ids(self, prompt: str) -> list[int]:
        """Token ids of a user's turn, up to the place where the assistant begins."""
        messages = [{"role": "user", "content": prompt}]
        ids = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        return [int(token) for token in ids]

    def response_ids(self, response: str) -> list[int]:
        """Token ids of an assistant's turn with its end-of-sequence token."""
        ids: list[int] = self.tokenizer.encode(response, add_special_tokens=False)
        return [*ids, self.end_id]

    def text(self, token_ids: Iterable[int]) -> str:
        """The completion's text without special tokens: what the reward server gets to see."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True))

    @property
    def end_id(self) -> int:
        """The token that ends a response."""
        return int(self.tokenizer.eos_token_id)

    @property
    def pad_id(self) -> int:
        """The token that fills a batch; the end token where the tokenizer has none of its own."""
        pad = self.tokenizer.pad_token_id
        return self.end_id if pad is None else int(pad)

    def save(self, folder: Path, weights: dict[str, Any] | None = None) -> None:
        """Writes weights and tokenizer as a Hugging Face checkpoint; `weights` where the model is sharded.

        What is written has no adapters: they are added to the weights.
        """
        from trainer_client.lora import adapter_weights, merged_weights

        if weights is None and adapter_weights(self.model):
            weights = dict(merged_weights(self.model, lambda one: one.detach()))
        self.model.save_pretrained(folder, state_dict=weights)
        self.tokenizer.save_pretrained(folder)


def load_policy(path: str | Path) -> Policy:
    """A policy from a Hugging Face checkpoint: a folder or a name on the hub. Weights in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    return Policy(model.train(), AutoTokenizer.from_pretrained(path))


def make_policy(settings: ModelSettings, corpus: Iterable[str], seed: int) -> Policy:
    """A new policy: its tokenizer learned from `corpus`, its weights random from `seed`."""
    import torch

    tokenizer = make_tokenizer(corpus, settings.vocabulary_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Policy(_new_model(settings, tokenizer).train(), tokenizer)


def _new_model(settings: ModelSettings, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.key_value_heads,
        intermediate_size=settings.feed_forward_size,
        max_position_embeddings=settings.max_positions,
        # Untied: some samplers keep a stale copy of a tied head when weights are reloaded.
        tie_word_embeddings=False,
        initializer_range=settings.hidden_size**-0.5,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


def make_tokenizer(corpus: Iterable[str], vocabulary_size: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer learned from `corpus`; digits stay single, so that numbers are spelled.

    Any text can be encoded. `<think>` and `</think>` are tokens of their own and stay in decoded text.
    It is Qwen2's tokenizer with another vocabulary: whoever loads the checkpoint picks the class by
    the model's type and so splits text the same way.
    """
    from tokenizers import AddedToken
    from transformers import Qwen2Tokenizer

    learned = _train_bpe(corpus, vocabulary_size, splitter=Qwen2Tokenizer().backend_tokenizer)
    tokenizer = Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
    )
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in ("<think>", "</think>")])
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def _train_bpe(corpus: Iterable[str], vocabulary_size: int, splitter: Any) -> dict[str, Any]:
    """Vocabulary and merges learned from `corpus`, with text normalised and split as `splitter` does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = splitter.normalizer
    tokenizer.pre_tokenizer = splitter.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - 2,  # <think> and </think> are added afterwards
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model
