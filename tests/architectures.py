"""Random models of many architectures, two layers each, made in the process."""

from typing import Any

VOCABULARY = 128

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_UNSET = object()
"""In the place of a size that a config does not take."""
_MOE = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
_EXPERTS = {**_MOE, "num_experts": 4}
_MLA = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    **_MOE,
}
_SSM = {
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_chunk_size": 8,
    "mamba_d_ssm": 64,
    "mamba_expand": 2,
}
_DELTA = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
_LOCAL = ["sliding_attention", "full_attention"]
_FACTORS = [1.0 + i for i in range(4)]
_LONG = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": _FACTORS,
    "original_max_position_embeddings": 32,
    "factor": 16.0,
}


def _rope(kind: str, **settings: Any) -> dict[str, Any]:
    parameters = {"rope_type": kind, "rope_theta": 10000.0, "factor": 4.0, **settings}
    return {"rope_parameters": parameters, "max_position_embeddings": 32}


_BANDS = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("llama", {}),
    "Llama, RoPE scaled as in 3.1": ("llama", _rope("llama3", **_BANDS)),
    "Llama, RoPE yarn": ("llama", _rope("yarn", original_max_position_embeddings=32)),
    "Llama, RoPE linear": ("llama", _rope("linear")),
    "Llama, RoPE dynamic": ("llama", _rope("dynamic")),
    "Llama, dropout in attention": ("llama", {"attention_dropout": 0.1}),
    "Llama 4": (
        "llama4_text",
        {"num_local_experts": 4, "intermediate_size_mlp": 64, "attention_chunk_size": 16},
    ),
    "Mistral": ("mistral", {"sliding_window": None}),
    "Mistral, window": ("mistral", {"sliding_window": 16}),
    "Ministral": ("ministral", {"sliding_window": 16, "layer_types": _LOCAL}),
    "Mixtral": (
        "mixtral",
        {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
    ),
    "Qwen2": ("qwen2", {}),
    "Qwen2, window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
    ),
    "Qwen2-MoE": ("qwen2_moe", {**_EXPERTS, "shared_expert_intermediate_size": 32}),
    "Qwen3": ("qwen3", {}),
    "Qwen3-MoE": ("qwen3_moe", _EXPERTS),
    "Qwen3-Next": ("qwen3_next", {**_EXPERTS, **_DELTA, "shared_expert_intermediate_size": 32}),
    "Qwen3.5": ("qwen3_5_text", _DELTA),
    "Gemma": ("gemma", {}),
    "Gemma 2": ("gemma2", {"sliding_window": 16, "query_pre_attn_scalar": 8}),
    "Gemma 3": (
        "gemma3_text",
        {"sliding_window": 16, "layer_types": _LOCAL, "query_pre_attn_scalar": 8},
    ),
    "Gemma 3n": (
        "gemma3n_text",
        {
            "sliding_window": 16,
            "layer_types": _LOCAL,
            "vocab_size_per_layer_input": VOCABULARY,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 0,
            "intermediate_size": [64, 64],
            "laurel_rank": 4,
            "activation_sparsity_pattern": [0.0, 0.0],
        },
    ),
    "Phi": ("phi", {"num_key_value_heads": 4}),
    "Phi-3": ("phi3", {"sliding_window": None}),
    "Phi-3, window": ("phi3", {"sliding_window": 16}),
    "Phi-3, RoPE longrope": (
        "phi3",
        {"rope_parameters": _LONG, "sliding_window": None, "original_max_position_embeddings": 32},
    ),
    "PhiMoE": ("phimoe", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "StableLM": ("stablelm", {}),
    "OLMo": ("olmo", {}),
    "OLMo 2": ("olmo2", {}),
    "OLMo 3": ("olmo3", {"sliding_window": 16, "layer_types": _LOCAL}),
    "OLMoE": ("olmoe", _EXPERTS),
    "OLMo hybrid": ("olmo_hybrid", _DELTA),
    "Granite": (
        "granite",
        {
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.5,
            "attention_multiplier": 0.2,
            "logits_scaling": 2.0,
        },
    ),
    "Granite MoE": ("granitemoe", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "Granite hybrid": (
        "granitemoehybrid",
        {
            **_SSM,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "shared_intermediate_size": 32,
            "layer_types": ["mamba", "attention"],
        },
    ),
    "SmolLM3": ("smollm3", {"no_rope_layers": [1, 0]}),
    "Starcoder2": ("starcoder2", {"sliding_window": None}),
    "GPT-2": ("gpt2", {"attn_pdrop": 0.0, "n_positions": 512}),
    "GPT-2, dropout in attention": ("gpt2", {"n_positions": 512}),
    "GPT-J": ("gptj", {"n_positions": 512, "rotary_dim": 4}),
    "GPT-NeoX": ("gpt_neox", {}),
    "GPT-BigCode": ("gpt_bigcode", {"attn_pdrop": 0.0, "n_positions": 512}),
    "GPT-Neo": (
        "gpt_neo",
        {
            "attention_types": [[["global", "local"], 1]],
            "num_layers": 2,
            "num_heads": 4,
            "window_size": 16,
        },
    ),
    "gpt-oss": (
        "gpt_oss",
        {
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": 16,
            "layer_types": _LOCAL,
        },
    ),
    "OPT": ("opt", {"ffn_dim": 64, "word_embed_proj_dim": 32, "attention_dropout": 0.0}),
    "BLOOM": ("bloom", {}),
    "MPT": ("mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 512}),
    "Falcon": ("falcon", {"head_dim": _UNSET}),
    "Falcon, ALiBi": ("falcon", {"alibi": True, "head_dim": _UNSET}),
    "FalconH1": ("falcon_h1", {**_SSM, "mlp_multipliers": [0.5, 2.0], "projectors_bias": False}),
    "Falcon-Mamba": ("falcon_mamba", {"state_size": 8}),
    "Mamba": ("mamba", {"state_size": 8}),
    "Mamba-2": (
        "mamba2",
        {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    ),
    "Jamba": (
        "jamba",
        {
            "num_experts": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "use_mamba_kernels": False,
            "mamba_d_state": 8,
        },
    ),
    "Bamba": ("bamba", {**_SSM, "attn_layer_indices": [1]}),
    "Zamba2": (
        "zamba2",
        {
            "mamba_d_state": 8,
            "mamba_headdim": 8,
            "n_mamba_heads": 8,
            "chunk_size": 8,
            "layers_block_type": ["mamba", "hybrid"],
            "num_mem_blocks": 1,
            "use_mamba_kernels": False,
            "num_key_value_heads": 4,
        },
    ),
    "Nemotron": ("nemotron", {}),
    "Nemotron-H": (
        "nemotron_h",
        {
            "layers_block_type": ["mamba", "attention"],
            "ssm_state_size": 8,
            "mamba_num_heads": 8,
            "mamba_head_dim": 8,
            "n_groups": 1,
            "chunk_size": 8,
            "use_mamba_kernels": False,
        },
    ),
    "LFM2": ("lfm2", {"layer_types": ["conv", "full_attention"], "block_ff_dim": 64}),
    "RecurrentGemma": (
        "recurrent_gemma",
        {"lru_width": 32, "attention_window_size": 16, "block_types": ["recurrent", "attention"]},
    ),
    "xLSTM": ("xlstm", {"num_heads": 4, "num_blocks": 2}),
    "RWKV": ("rwkv", {"attention_hidden_size": 32}),
    "MiniMax": (
        "minimax",
        {
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "block_size": 16,
            "layer_types": ["linear_attention", "full_attention"],
        },
    ),
    "DeepSeek-V2": ("deepseek_v2", _MLA),
    "DeepSeek-V3": ("deepseek_v3", _MLA),
    "GLM": ("glm", {}),
    "GLM-4": ("glm4", {}),
    "GLM-4 MoE": ("glm4_moe", {**_MLA, "num_key_value_heads": 2}),
    "Cohere": ("cohere", {}),
    "Cohere 2": ("cohere2", {"sliding_window": 16, "layer_types": _LOCAL}),
    "EXAONE 4": ("exaone4", {"sliding_window": 16, "layer_types": _LOCAL}),
    "ERNIE 4.5": ("ernie4_5", {}),
    "Hunyuan": ("hunyuan_v1_dense", {}),
    "Seed-OSS": ("seed_oss", {"attention_dropout": 0.0}),
    "Helium": ("helium", {}),
    "Arcee": ("arcee", {}),
    "Apertus": ("apertus", {}),
    "BitNet": ("bitnet", {"hidden_act": "silu"}),
    "Doge": ("doge", {"keep_window_size": 16}),
    "DiffLlama": ("diffllama", {}),
    "Persimmon": ("persimmon", {}),
    "CodeGen": ("codegen", {"n_positions": 512, "rotary_dim": 4}),
    "nanochat": ("nanochat", {}),
}
"""By the name in the table of docs/tree-packing.md: transformers' type, and what is its own."""


def architecture(name: str, **changes: Any) -> Any:
    """Return a random model of the architecture."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, own = ARCHITECTURES[name]
    torch.manual_seed(0)
    sizes = {k: value for k, value in (_SIZES | own | changes).items() if value is not _UNSET}
    config = AutoConfig.for_model(kind, **sizes)
    return AutoModelForCausalLM.from_config(config).eval()
