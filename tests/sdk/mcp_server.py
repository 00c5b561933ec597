"""A tool server of the official Python SDK, on standard input and output, that can die."""

import os

from mcp.server.mcpserver import MCPServer

server = MCPServer("mortal")


@server.tool()
def die() -> str:
    """Ends the process in the middle of the call."""
    os._exit(3)


@server.tool()
def variable(name: str) -> str:
    """A variable of the server's environment."""
    return os.environ.get(name, "absent")


server.run()
