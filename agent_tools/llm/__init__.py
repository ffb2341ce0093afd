"""A chat server that speaks OpenAI's protocol (Ollama, vLLM, llama.cpp, OpenAI), asked for answers of a given shape."""

from agent_tools.llm.aloud import Answered, Count, Counted, ask_aloud, usage
from agent_tools.llm.client import Llm, Message, Tokens
from agent_tools.llm.errors import LlmCutOff, LlmDeclined, LlmError, LlmMisused, LlmUnavailable, LlmUnfit

__all__ = [
    "Answered",
    "Count",
    "Counted",
    "Llm",
    "LlmCutOff",
    "LlmDeclined",
    "LlmError",
    "LlmMisused",
    "LlmUnavailable",
    "LlmUnfit",
    "Message",
    "Tokens",
    "ask_aloud",
    "usage",
]
