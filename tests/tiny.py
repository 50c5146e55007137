"""A real but tiny Llama with a real but tiny tokenizer, made in a second and never downloaded."""

from functools import cache
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

CORPUS = [
    "The garden needs rain, and I like my answers short and warm.",
    "Could you tell me more about sailing, birds, bread and the mountains in spring?",
    "As a language model I have no opinion; here is a list of seven things you may try.",
    "What a lovely day! Tell me, did the dog enjoy the long walk by the river?",
] * 4


@cache
def tokenizer() -> Any:
    """Return a byte-level BPE tokenizer of 384 tokens with a ChatML template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(CORPUS, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
    )
    made.chat_template = CHATML
    return made


def model(seed: int = 0, **changes: Any) -> Any:
    """Return a random 2-layer Llama with grouped key/value heads."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(tokenizer()),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.2,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": True,
    }
    return LlamaForCausalLM(LlamaConfig(**{**settings, **changes}))


def save(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write model and tokenizer as a checkpoint folder."""
    model(seed, **changes).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
