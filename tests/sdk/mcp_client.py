"""The official Python client of MCP and a tool server behind `daicho mcp`: runs a list of calls, and
prints what the client saw of each as a JSON object on a line.

usage: mcp_client.py CALLS COMMAND [ARG...]     CALLS: [[TOOL, ARGUMENTS], ...] as JSON
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

calls, command, *args = sys.argv[1:]


async def main():
    # The SDK hands on a few variables only; the agent's token is not among them.
    server = StdioServerParameters(command=command, args=args, env=dict(os.environ))
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = {tool.name for tool in (await session.list_tools()).tools}
        for tool, arguments in json.loads(calls):
            assert tool in tools, tools
            result = await session.call_tool(tool, arguments)
            seen = result.model_dump(mode="json", by_alias=True)
            text = "".join(part["text"] for part in seen["content"] if part["type"] == "text")
            print(json.dumps({"failed": bool(seen.get("isError")), "text": text}), flush=True)


asyncio.run(main())
