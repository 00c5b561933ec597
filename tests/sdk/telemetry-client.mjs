// Sends what Claude Code's telemetry would, by OpenTelemetry's own exporter (http/json):
// node telemetry-client.mjs URL TOKEN SESSION RECORDS, where RECORDS is a JSON list of
// [event, attributes]. Prints how the export ended.
import { createRequire } from "node:module";

const require = createRequire(new URL("../.tools/", import.meta.url));
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");

const [url, token, session, records] = process.argv.slice(2);
const exporter = new OTLPLogExporter({ url, headers: { Authorization: `Bearer ${token}` } });
const ended = [];
const processor = new BatchLogRecordProcessor({
  exporter: {
    export: (batch, done) => exporter.export(batch, (result) => {
      ended.push({ code: result.code, error: result.error?.message ?? null });
      done(result);
    }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.(),
  },
});
const provider = new LoggerProvider({ processors: [processor] });
const logger = provider.getLogger("com.anthropic.claude_code.events", "2.1.330");
JSON.parse(records).forEach(([event, attributes], sequence) => logger.emit({
  body: `claude_code.${event}`,
  attributes: {
    "session.id": session, "event.name": event, "event.sequence": sequence,
    "event.timestamp": new Date().toISOString(), ...attributes,
  },
}));
await provider.forceFlush().catch(() => {});
await provider.shutdown().catch(() => {});
console.log(JSON.stringify(ended));
