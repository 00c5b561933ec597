// The official TypeScript client of MCP and a tool server behind `daicho mcp`, as mcp_client.py.
//
// usage: mcp-client.mjs CALLS COMMAND [ARG...]
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../.tools/", import.meta.url));
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");

const [calls, command, ...args] = process.argv.slice(2);
const client = new Client({ name: "test", version: "1.0.0" });
await client.connect(new StdioClientTransport({ command, args, env: process.env }));
const tools = new Set((await client.listTools()).tools.map((tool) => tool.name));
for (const [name, given] of JSON.parse(calls)) {
  if (!tools.has(name)) throw new Error([...tools].join(" "));
  const result = await client.callTool({ name, arguments: given });
  const text = result.content.map((part) => part.text ?? "").join("");
  console.log(JSON.stringify({ failed: result.isError === true, text }));
}
await client.close();
