// Drives an MCP server with the official TypeScript SDK, installed under argv[2]. Prints JSON.
// argv[3] is a URL, or a command as JSON (["python", "-m", …]). argv[4] is a list of steps
// ({ tool, arguments }); "$0.id" stands for the `id` in the answer to the first of them.
import { createRequire } from "node:module";
import { join } from "node:path";

const [installed, target, plan] = process.argv.slice(2);
const load = createRequire(join(installed, "package.json"));
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = load("@modelcontextprotocol/sdk/client/streamableHttp.js");

function transport() {
  if (target.startsWith("http")) return new StreamableHTTPClientTransport(new URL(target));
  const [command, ...args] = JSON.parse(target);
  return new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });
}

function filled(value, answers) {
  if (typeof value !== "string" || !value.startsWith("$")) return value;
  const [number, ...path] = value.slice(1).split(".");
  return path.reduce((found, key) => found[key], answers[Number(number)].structured);
}

const client = new Client({ name: "independent-client", version: "1.0.0" });
await client.connect(transport());
const { tools } = await client.listTools();
const answers = [];
for (const step of JSON.parse(plan)) {
  const given = Object.entries(step.arguments ?? {}).map(([k, v]) => [k, filled(v, answers)]);
  // The SDK holds every answer against the tool's output schema, and throws if it does not fit.
  const answer = await client.callTool({ name: step.tool, arguments: Object.fromEntries(given) });
  answers.push({
    isError: answer.isError === true,
    structured: answer.structuredContent ?? null,
    text: answer.content.map((block) => block.text).join("\n"),
  });
}
const server = client.getServerVersion();
await client.close();
const described = tools.map((tool) => [tool.name, tool.outputSchema?.type, tool.annotations ?? {}]);
console.log(JSON.stringify({ server: server.name, tools: described, answers }));
