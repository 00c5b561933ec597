// OpenAI's official Node client against a gateway: one JSON object of results on stdout.
//
// usage: node openai-client.mjs BASE_URL TOKEN PROHIBITED_VALUE
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
const require = createRequire(fileURLToPath(new URL("../.tools/", import.meta.url)));
const OpenAI = require("openai");

const [baseURL, token, prohibited] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: token });
const once = new OpenAI({ baseURL, apiKey: token, maxRetries: 0 });
const PROMPT = "山田太郎さんに、明日の会議の案内を送ってください。";
const SECRET = `鍵は ${prohibited} です`;
const FUNCTION = {
  name: "get_weather",
  description: "天気を調べる",
  parameters: { type: "object", properties: { city: { type: "string" } } },
};

const chatWith = (model, content = PROMPT, more = {}, from = client) =>
  from.chat.completions.create({
    model: `gpt-${model}`,
    messages: [{ role: "system", content: "丁寧に。" }, { role: "user", content }],
    ...more,
  });
const respond = (model, content = PROMPT, more = {}, from = client) =>
  from.responses.create({ model: `gpt-${model}`, input: content, instructions: "丁寧に。", ...more });

async function chatStream(model, from = client) {
  let [text, output_tokens] = ["", 0];
  const more = { stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await chatWith(model, PROMPT, more, from)) {
    text += chunk.choices.map((choice) => choice.delta.content ?? "").join("");
    output_tokens = chunk.usage?.completion_tokens ?? output_tokens;
  }
  return { text, output_tokens };
}

async function chatTool() {
  const tools = [{ type: "function", function: FUNCTION }];
  const asked = (await chatWith("tool", PROMPT, { tools })).choices[0].message;
  const call = asked.tool_calls[0];
  const result = { role: "tool", tool_call_id: call.id, content: "晴れ、21度" };
  const messages = [{ role: "user", content: PROMPT }, asked, result];
  const second = await client.chat.completions.create({ model: "gpt-tool", messages, tools });
  return {
    tool: { name: call.function.name, arguments: JSON.parse(call.function.arguments) },
    second: second.choices[0].message.content,
  };
}

const shown = (response) => ({ text: response.output_text, output_tokens: response.usage.output_tokens });

async function responseStream(model, more = {}) {
  const stream = client.responses.stream({ model: `gpt-${model}`, input: PROMPT, ...more });
  return stream.finalResponse();
}

const tools = [{ type: "function", strict: false, ...FUNCTION }];

async function answerTool(asked) {
  const call = asked.output.find((item) => item.type === "function_call");
  const input = [
    { role: "user", content: PROMPT },
    { type: call.type, call_id: call.call_id, name: call.name, arguments: call.arguments },
    { type: "function_call_output", call_id: call.call_id, output: "晴れ、21度" },
  ];
  const second = await client.responses.create({ model: "gpt-tool", input, tools });
  return { tool: { name: call.name, arguments: JSON.parse(call.arguments) }, second: second.output_text };
}

async function run(scenario) {
  try {
    return { ok: await scenario() };
  } catch (e) {
    return {
      raised: e.constructor.name,
      status: e.status,
      message: e.message,
      code: e.code,
      request_id: e.requestID,
    };
  }
}

const scenarios = {
  chat: async () => {
    const answer = await chatWith("plain");
    return { text: answer.choices[0].message.content, output_tokens: answer.usage.completion_tokens };
  },
  chat_stream: () => chatStream("plain"),
  chat_tool: chatTool,
  response: async () => shown(await respond("plain")),
  response_stream: async () => shown(await responseStream("plain")),
  response_tool: async () => answerTool(await respond("tool", PROMPT, { tools })),
  response_tool_stream: async () => answerTool(await responseStream("tool", { tools })),
  models: async () => (await client.models.list()).data.map((model) => model.id),
  chat_blocked: () => chatWith("plain", SECRET),
  chat_blocked_stream: () => chatWith("plain", SECRET, { stream: true }),
  response_blocked: () => respond("plain", SECRET),
  wrong_token: () => chatWith("plain", PROMPT, {}, new OpenAI({ baseURL, apiKey: "dct_wrong" })),
  background: () => respond("plain", PROMPT, { background: true }),
  embeddings: () => client.embeddings.create({ model: "e", input: "text", encoding_format: "float" }),
  error_400: () => chatWith("400", PROMPT, {}, once),
  error_429: () => respond("429", PROMPT, {}, once),
  error_500: () => chatWith("500", PROMPT, { stream: true }, once),
  broken: () => respond("break", PROMPT, {}, once),
  broken_stream: () => chatStream("break", once),
  failing_stream: () => chatStream("fails", once),
};
const results = {};
for (const [name, scenario] of Object.entries(scenarios)) results[name] = await run(scenario);
console.log(JSON.stringify(results));
