// The official Node client against a gateway: one JSON object of results on stdout.
//
// usage: node anthropic-client.mjs BASE_URL TOKEN PROHIBITED_VALUE
import { createRequire } from "node:module";

const require = createRequire(new URL("../.tools/", import.meta.url));
const Anthropic = require("@anthropic-ai/sdk").default;

const [baseURL, token, prohibited] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey: token });
const once = { maxRetries: 0 };
const PROMPT = "山田太郎さんに、明日の会議の案内を送ってください。";
const tools = [
  {
    name: "get_weather",
    description: "天気を調べる",
    input_schema: { type: "object", properties: { city: { type: "string" } } },
  },
];

const ask = (model, content = PROMPT, more = {}) => ({
  model: `claude-${model}`,
  max_tokens: 256,
  messages: [{ role: "user", content }],
  ...more,
});

const shown = (message) => ({
  text: message.content.filter((b) => b.type === "text").map((b) => b.text).join(""),
  tools: message.content
    .filter((b) => b.type === "tool_use")
    .map(({ id, name, input }) => ({ id, name, input })),
  stop_reason: message.stop_reason,
  output_tokens: message.usage.output_tokens,
});

const streamed = async (model, content) => client.messages.stream(ask(model, content), once).finalMessage();

const scenarios = {
  create: async () => shown(await client.messages.create(ask("plain"))),
  create_with_auth_token: async () => {
    const other = new Anthropic({ baseURL, authToken: token, apiKey: null });
    return shown(await other.messages.create(ask("plain")));
  },
  stream: async () => {
    const stream = client.messages.stream(ask("plain"));
    const parts = [];
    stream.on("text", (part) => parts.push(part));
    return { ...shown(await stream.finalMessage()), parts: parts.length, joined: parts.join("") };
  },
  raw_stream: async () => {
    const types = [];
    for await (const event of await client.messages.create({ ...ask("plain"), stream: true })) types.push(event.type);
    return types;
  },
  tool_use: async () => {
    const asked = ask("tool", PROMPT, { tools });
    const first = await client.messages.create(asked);
    const use = first.content.find((b) => b.type === "tool_use");
    const result = { type: "tool_result", tool_use_id: use.id, content: "晴れ、21度" };
    const messages = [
      ...asked.messages,
      { role: "assistant", content: first.content },
      { role: "user", content: [result] },
    ];
    return { first: shown(first), second: shown(await client.messages.create({ ...asked, messages })) };
  },
  tool_use_streamed: async () => ({
    first: shown(await client.messages.stream(ask("tool", PROMPT, { tools })).finalMessage()),
  }),
  count_tokens: async () => {
    const { max_tokens, ...asked } = ask("plain");
    return (await client.messages.countTokens(asked)).input_tokens;
  },
  beta: async () =>
    shown(await client.beta.messages.create({ ...ask("plain"), betas: ["context-1m-2025-08-07"] })),
  models: async () => {
    const ids = [];
    for await (const model of client.models.list({ limit: 1000 })) ids.push(model.id);
    return ids;
  },
  blocked: async () => client.messages.create(ask("plain", `鍵は ${prohibited} です`)),
  blocked_stream: async () => client.messages.stream(ask("plain", `鍵は ${prohibited} です`)).finalMessage(),
  wrong_token: async () => new Anthropic({ baseURL, apiKey: "dct_wrong" }).messages.create(ask("plain")),
  error_400: async () => client.messages.create(ask("400"), once),
  error_401: async () => client.messages.create(ask("401"), once),
  error_429: async () => client.messages.create(ask("429"), once),
  error_529: async () => client.messages.create(ask("529"), once),
  error_529_stream: async () => client.messages.create({ ...ask("529"), stream: true }, once),
  broken: async () => client.messages.create(ask("break"), once),
  broken_stream: async () => streamed("break"),
  failing_stream: async () => streamed("fails"),
};

const results = {};
for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    results[name] = { ok: await scenario() };
  } catch (e) {
    const inner = e.error?.error ?? {};
    results[name] = {
      raised: e.constructor.name,
      status: e.status ?? null,
      kind: inner.type ?? null,
      message: inner.message ?? e.message,
      request_id: e.requestID ?? null,
    };
  }
}
console.log(JSON.stringify(results));
