"""What somebody meant who wrote a model without its provider, or as another program writes it.

It only words an error: nothing is opened by a guess, since a wrong one would send texts and a key
to a server that nobody named.
"""

import difflib
import re
from collections.abc import Collection

from aloe.files.paths import expand_home

OLLAMA, VLLM, LMSTUDIO = (f"http://127.0.0.1:{port}/v1" for port in (11434, 8000, 1234))
"""Where these servers listen unless told otherwise."""

_OPENAI = re.compile(r"(?:ft:)?(?:gpt|chatgpt|o\d|codex|davinci)(?:\d|\b)[\w.:-]*", re.IGNORECASE)
_FUNCTION = re.compile(r".+\.py:[A-Za-z_]\w*")
"""FILE.py:NAME, which stands for a function in place of a model."""
_NUMBERED = re.compile(r"[a-z][a-z-]*\d[\w.-]*", re.IGNORECASE)
"""What names of models look like that no provider has alone: a word with a version or a size."""
_SERVERS = {"ollama": OLLAMA, "vllm": VLLM, "hosted_vllm": VLLM, "lmstudio": LMSTUDIO}
_CLASSES = {
    "anthropic": "langchain_anthropic:ChatAnthropic",
    "claude": "langchain_anthropic:ChatAnthropic",
    "google": "langchain_google_genai:ChatGoogleGenerativeAI",
    "gemini": "langchain_google_genai:ChatGoogleGenerativeAI",
    "google_genai": "langchain_google_genai:ChatGoogleGenerativeAI",
    "mistralai": "langchain_mistralai:ChatMistralAI",
    "mistral": "langchain_mistralai:ChatMistralAI",
    "groq": "langchain_groq:ChatGroq",
    "cohere": "langchain_cohere:ChatCohere",
    "azure": "langchain_openai:AzureChatOpenAI",
    "bedrock": "langchain_aws:ChatBedrockConverse",
}
"""Chat classes of LangChain's by what providers are called elsewhere."""
_SAME = {
    "open_ai": "openai", "llama.cpp": "local", "llamacpp": "local", "gguf": "local",
    "file": "local", "huggingface": "hf", "transformers": "hf",
}  # fmt: skip
_FOLDERS = ("config.json", "adapter_config.json")
"""Files by which a folder is known to hold a model."""
_OLLAMA_TAG = re.compile(r"latest|\d+(?:\.\d+)?[bm][\w.-]*", re.IGNORECASE)
"""What stands after the name of a model there: NAME:SIZE."""
_QUANT = re.compile(r":(?:I?Q\d\w*|F16|F32|BF16)", re.IGNORECASE)


def suggest_model(text: str, providers: Collection[str], embedded: Collection[str]) -> str | None:
    """Return the model string that `text` was probably meant to be; None if nobody can tell.

    Args:
        text: what was written, which names no provider.
        providers: the names of those that there are.
        embedded: names of the models that `local:` knows.
    """
    name = text.strip()
    head, mark, rest = _part(name)
    known = head.lower()
    if name.lower().startswith(("http://", "https://")):
        return f"openai:NAME@{name}"
    if _FUNCTION.fullmatch(name):
        return f"scripted:{name}"
    if name in embedded or (name and _is_served_file(name)):
        return f"local:{name}"
    if name and any((expand_home(name) / file).is_file() for file in _FOLDERS):
        return f"hf:{name}"
    if _OPENAI.fullmatch(name):
        return f"openai:{name}"
    if rest and known in _SERVERS:
        return f"openai:{rest}@{_SERVERS[known]}"
    if rest and known in _SAME:
        return f"{_SAME[known]}:{rest}"
    if rest and known in providers:  # LiteLLM's openai/gpt-4o-mini
        return f"{known}:{rest}"
    if chat_class := _CLASSES.get(known) or _CLASSES.get(re.split(r"[-\d]", known)[0]):
        model = rest if known in _CLASSES and rest else name
        return f'langchain:{chat_class} with options = {{ model = "{model}" }}'
    near = difflib.get_close_matches(known, providers, n=1, cutoff=0.7)
    if near and mark == ":" and rest:
        return f"{near[0]}:{rest}"
    if "/" in name:
        return _suggest_hub_model(name)
    if near := difflib.get_close_matches(known, embedded, n=1, cutoff=0.8):
        return f"local:{near[0]}"
    if _NUMBERED.fullmatch(name):
        return f"openai:{name}@{VLLM}, if a server of yours has it"
    return f"openai:{name}@{OLLAMA}" if mark == ":" and _OLLAMA_TAG.fullmatch(rest) else None


def _part(name: str) -> tuple[str, str, str]:
    """Return what stands before the first `:` or `/`, which of them it is, and the rest."""
    found = re.search(r"[:/]", name)
    return (name[: found.start()], found[0], name[found.end() :]) if found else (name, "", "")


def _is_served_file(name: str) -> bool:
    path = expand_home(name)
    files = ("model.gguf", "adapter.gguf")
    return name.lower().endswith(".gguf") or any((path / file).is_file() for file in files)


def _suggest_hub_model(name: str) -> str | None:
    """Return how a model of the hub is named: OWNER/NAME, with a quantization if it is a GGUF."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?", name):
        return None
    if "gguf" in name.lower() or _QUANT.search(name):
        return f"local:{name}"
    return f"openai:{name}@{VLLM}, or hf:{name} if it is in the hub's cache"
