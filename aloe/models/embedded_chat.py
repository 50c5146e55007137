"""The embedded server's chat model: messages that hold control tokens are asked in tokens.

llama.cpp fills in the chat template and tokenises the result as a whole, so `<|im_end|>` in a
message would end a turn. It has no switch against that, but it fills in the template on request,
and takes a prompt as token ids. So a conversation with such a message is rendered there with its
control tokens broken, tokenised piece by piece, and completed; the answer has the same form. All
others take the usual way.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from aloe.models.control_tokens import BREAK, break_tokens
from aloe.models.http_chat import HttpChat, message_of
from aloe.models.http_stream import STREAMED, Hear


class EmbeddedChat(HttpChat):
    """Chat completions of the embedded server."""

    control: re.Pattern[str]
    """What matches the model's control tokens."""

    async def complete(
        self,
        messages: Sequence[tuple[str, str]],
        arguments: Mapping[str, Any],
        hear: Hear | None = None,
    ) -> AIMessage:
        """Answer pairs of role and text; what it raises, the base class says.

        What is asked in tokens is heard at its end only.
        """
        said = [(role, break_tokens(text, self.control)) for role, text in messages]
        if all(BREAK not in text for _, text in said):
            return await super().complete(messages, arguments, hear)
        whole = {name: value for name, value in arguments.items() if name not in STREAMED}
        body = {**self.sampling, **whole}
        answer = await self.request(
            "POST", "/completions", {**_completion(body), "prompt": await self._prompt(said, body)}
        )
        (choice,) = answer["choices"]
        return message_of(
            {**answer, "choices": [{**choice, "message": {"content": choice["text"]}}]}
        )

    async def _prompt(self, said: Sequence[tuple[str, str]], body: Mapping[str, Any]) -> list[int]:
        """Return the token ids of a conversation with breaks."""
        messages = [{"role": role, "content": text} for role, text in said]
        server = self.model_copy(update={"base_url": self.base_url.removesuffix("/v1")})
        rendered = await server.request("POST", "/apply-template", {**body, "messages": messages})

        async def ids(text: str, *, first: bool = False) -> list[int]:
            wanted = {"content": text, "add_special": first, "parse_special": True}
            return list((await server.request("POST", "/tokenize", wanted))["tokens"])

        start, *pieces = rendered["prompt"].split(BREAK)
        prompt, newline = await ids(start, first=True), await ids("\n")
        for piece in pieces:
            # Behind a line break, as transformers does it: a SentencePiece tokenizer puts a blank
            # before a text of its own.
            behind = await ids("\n" + piece)
            cut = behind[: len(newline)] == newline
            prompt += behind[len(newline) :] if cut else await ids(piece)
        return prompt


def _completion(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a chat request as the endpoint for plain completions knows them."""
    rest = {key: value for key, value in body.items() if key != "response_format"}
    if rest.pop("logprobs", None):
        rest["logprobs"] = rest.pop("top_logprobs", 0)
    wanted = body.get("response_format") or {}
    if "json_schema" in wanted:
        rest["json_schema"] = wanted["json_schema"]["schema"]
    return rest
