// What a Node app costs, without Python in it: model calls as OTLP spans, other costs by hand. Node 18 or later, no packages.
//
//   otel-cost serve &
//   node examples/costs.mjs http://127.0.0.1:4319
//
// A key, where the server has keys, goes into OTEL_COST_KEY. Apps with an OpenTelemetry SDK set the same attributes on
// their own spans, and need none of the first half.

import { randomBytes } from "node:crypto";

const server = process.argv[2] ?? "http://127.0.0.1:4319";
const headers = { "content-type": "application/json" };
if (process.env.OTEL_COST_KEY) headers.authorization = `Bearer ${process.env.OTEL_COST_KEY}`;

async function post(path, body, more = {}) {
  const answer = await fetch(server + path, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${said.field ?? ""} ${said.detail ?? said.message}`);
  return said;
}

// --- spans, by OTLP/JSON ---------------------------------------------------------------------------------------------

const traceId = randomBytes(16).toString("hex");

function attributes(values) {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: Number.isInteger(value) ? { intValue: String(value) } : { stringValue: String(value) },
  }));
}

function span(name, values, milliseconds = 800) {
  const end = BigInt(Date.now() - 1000) * 1_000_000n;
  return {
    traceId,
    spanId: randomBytes(8).toString("hex"),
    name,
    kind: 3, // client
    startTimeUnixNano: String(end - BigInt(milliseconds) * 1_000_000n),
    endTimeUnixNano: String(end),
    attributes: attributes(values),
  };
}

const spans = [
  span("chat gpt-4o", {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 1000, // cached ones included
    "gen_ai.usage.output_tokens": 100,
    "session.id": "chat-4711",
  }),
  span("execute_tool maps_api", {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "maps_api",
    "otel_cost.kind": "tool",
    "otel_cost.usd": "0.005",
  }),
  span("use_resource gpu_hour", {
    "otel_cost.kind": "infrastructure",
    "otel_cost.resource": "gpu_hour",
    "otel_cost.quantity": "0.5",
    "otel_cost.usd": "0.75", // or a price under resources: in the server's price file
  }),
];
await post("/v1/traces", {
  resourceSpans: [
    {
      resource: { attributes: attributes({ "service.name": "node-shop", "otel_cost.team": "search" }) },
      scopeSpans: [{ scope: { name: "node-shop" }, spans }],
    },
  ],
});

// --- costs by hand, by REST ------------------------------------------------------------------------------------------

const labels = { service: "node-shop", team: "search" };
const llm = await post("/api/v1/costs/entries", {
  id: `${traceId}-1`, // whatever is yours: sent again, it is booked once
  kind: "llm",
  provider: "anthropic",
  model: "claude-sonnet-4-5",
  input_tokens: 2000,
  output_tokens: 500,
  usage: { cache_read_tokens: 1500 },
  labels,
});
const others = await post(
  "/api/v1/costs/entries/batch",
  {
    entries: [
      { kind: "tool", name: "search_api", usd: "0.002", labels },
      { kind: "infrastructure", resource: "vector_index", usd: 1.25, labels },
    ],
  },
  { "idempotency-key": `${traceId}-2` },
);

// --- and what came of it ---------------------------------------------------------------------------------------------

const trace = await (await fetch(`${server}/api/v1/traces/${traceId}/costs`, { headers })).json();
console.log(
  JSON.stringify(
    {
      trace: traceId,
      spans: trace.calls.map((call) => ({ kind: call.kind, model: call.model, status: call.status, usd: call.cost.usd })),
      by_hand: [llm, ...others.entries].map((entry) => ({ kind: entry.kind, status: entry.status, usd: entry.cost.usd })),
    },
    null,
    2,
  ),
);
