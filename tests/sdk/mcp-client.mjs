// The official TypeScript client of MCP and a tool server behind daicho, as mcp_client.py.
//
// usage: mcp-client.mjs CALLS URL | COMMAND [ARG...]
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../.tools/", import.meta.url));
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { CreateMessageRequestSchema } = await load("types.js");

const [calls, command, ...args] = process.argv.slice(2);
const overHttp = () =>
  new StreamableHTTPClientTransport(new URL(command), {
    requestInit: { headers: { authorization: `Bearer ${process.env.AGENT_TOKEN}` } },
  });
const transport = command.startsWith("http")
  ? overHttp()
  : new StdioClientTransport({ command, args, env: process.env });
const client = new Client({ name: "test", version: "1.0.0" }, { capabilities: { sampling: {} } });
// Answers the server's own question, so that both directions are seen to work.
client.setRequestHandler(CreateMessageRequestSchema, () => ({
  role: "assistant",
  content: { type: "text", text: "sampled" },
  model: "none",
}));
await client.connect(transport);
const tools = new Set((await client.listTools()).tools.map((tool) => tool.name));
for (const [name, given] of JSON.parse(calls)) {
  if (!tools.has(name)) throw new Error([...tools].join(" "));
  let progress = 0;
  const options = { onprogress: () => (progress += 1) };
  const result = await client.callTool({ name, arguments: given }, undefined, options);
  const text = result.content.map((part) => part.text ?? "").join("");
  console.log(JSON.stringify({ failed: result.isError === true, text, progress }));
}
if (transport.terminateSession) await transport.terminateSession();
await client.close();
