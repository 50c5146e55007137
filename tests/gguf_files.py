"""Tiny GGUF files of a random Llama, with whatever else a test wants in them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tiny
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

SIZES = {
    "context_length": 2048,
    "embedding_length": 64,
    "block_count": 2,
    "feed_forward_length": 96,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "rope.dimension_count": 16,
    "vocab_size": 384,
}


def model(seed: int = 0) -> Any:
    """Return the model that `write` writes unless it is given another."""
    return tiny.model(seed, hidden_size=64, intermediate_size=96)


def write(
    path: Path,
    *,
    of: Any = None,
    marks: tuple[str, str, str] = MARKS,
    eos: int = 2,
    head: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Any] | None = None,
    added: Sequence[str] = (),
    template: str = TEMPLATE,
    add_bos: bool = False,
) -> Path:
    """Write a GGUF file in F32.

    Args:
        path: where.
        of: a Llama of the sizes above.
        marks: the first three tokens: end of text, start of a turn, end of a turn.
        eos: id of the token that the file calls end of text.
        head: further entries, without the architecture.
        tensors: further tensors.
        added: further tokens, behind the others.
        template: of a chat, with the marks as they are shipped.
        add_bos: whether a text begins with the first mark.
    """
    import gguf

    from aloe.training.gguf import find_gguf_name, interleave

    writer = gguf.GGUFWriter(path, "llama")
    for key, value in {**SIZES, **(head or {})}.items():
        add = writer.add_string if isinstance(value, str) else writer.add_uint32
        add = writer.add_float32 if isinstance(value, float) else add
        add(f"llama.{key}", value)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    _add_tokenizer(writer, marks, eos, added, template)
    writer.add_add_bos_token(add_bos)
    for name, value in (of or model()).state_dict().items():
        module, _, leaf = name.rpartition(".")
        if module == "lm_head":
            continue
        part, data = find_gguf_name(module), value.float().numpy()
        heads = {"attn_q": 4, "attn_k": 2}.get(part.rpartition(".")[2])
        writer.add_tensor(f"{part}.{leaf}", interleave(data, heads) if heads else data)
    for name, data in (tensors or {}).items():
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(
    writer: Any, marks: tuple[str, str, str], eos: int, added: Sequence[str], template: str
) -> None:
    import gguf

    told = Tokenizer.to_str(tiny.tokenizer().backend_tokenizer)
    raw = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(told))

    bpe = json.loads(told)["model"]
    ids = {token: i for token, i in raw.get_vocab().items() if i >= len(marks)}
    tokens = [*marks, *sorted(ids, key=lambda token: ids[token]), *added]
    kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * len(ids)
    kinds += [gguf.TokenType.USER_DEFINED] * len(added)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(eos)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(0)
    for shipped, wanted in zip(MARKS, marks, strict=True):
        template = template.replace(shipped, wanted)
    writer.add_chat_template(template)
