"""A model server that answers by a script, over real HTTP, streamed and not.

It speaks OpenAI Chat Completions and Responses, Anthropic Messages and Gemini generateContent. A script is a list of
turns. Which one is answered follows from the request alone: the number of replies that the conversation holds already.
So a request that is sent again gets the same answer, and conversations may run at the same time. A turn's faults come
first, one a request. Requests that a real provider would refuse are refused.

As a program, from the checkout's folder: `python -m tests.tools.model_server --script FILE [--port N] [--key KEY]
[--record FILE] [--split BYTES]`. FILE is JSON: a list of turns, or a list of {"match": regex of the first prompt,
"tools": whether the request has tools, "turns": […]}. Prints its address as the first line.
"""

from tests.tools.model_server.script import Fault, Script, ToolUse, Turn, Usage, load_scripts
from tests.tools.model_server.server import ModelServer, Seen

__all__ = ["Fault", "ModelServer", "Script", "Seen", "ToolUse", "Turn", "Usage", "load_scripts"]
