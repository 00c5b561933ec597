"""The official Python client of MCP and a tool server behind daicho: runs a list of calls, and prints
what the client saw of each as a JSON object on a line.

usage: mcp_client.py CALLS URL                  over HTTP, with the token in AGENT_TOKEN
       mcp_client.py CALLS COMMAND [ARG...]     CALLS: [[TOOL, ARGUMENTS], ...] as JSON
"""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager

import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

calls, command, *args = sys.argv[1:]


@asynccontextmanager
async def over_http():
    headers = {"Authorization": "Bearer " + os.environ["AGENT_TOKEN"]}
    async with create_mcp_http_client(headers=headers) as http:
        async with streamable_http_client(command, http_client=http) as streams:
            yield streams


def transport():
    if command.startswith("http"):
        return over_http()
    # The SDK hands on a few variables only; the agent's token is not among them.
    return stdio_client(StdioServerParameters(command=command, args=args, env=dict(os.environ)))


SAID = os.environ.get("SAID", "sampled")


async def sample(context, params):
    """Answers the server's own question, so that both directions are seen to work."""
    return types.CreateMessageResult(
        role="assistant", content=types.TextContent(type="text", text=SAID), model="none"
    )


async def elicit(context, params):
    """Fills in the server's form, as a person would."""
    return types.ElicitResult(action="accept", content={"name": SAID})


async def main():
    seen = []

    async def progress(done, total, message):
        seen.append(done)

    async with Client(transport(), sampling_callback=sample, elicitation_callback=elicit) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        for tool, arguments in json.loads(calls):
            assert tool in tools, tools
            seen.clear()
            result = await client.call_tool(tool, arguments, progress_callback=progress)
            result = result.model_dump(mode="json", by_alias=True)
            text = "".join(part["text"] for part in result["content"] if part["type"] == "text")
            line = {"failed": bool(result.get("isError")), "text": text, "progress": len(seen)}
            print(json.dumps(line), flush=True)


asyncio.run(main())
