// Drives the stand-in at argv[2] with Vapi's server SDK, installed under argv[3]. Prints JSON.
import { createRequire } from "node:module";
import { join } from "node:path";

const [origin, installed] = process.argv.slice(2);
const { VapiClient } = createRequire(join(installed, "package.json"))("@vapi-ai/server-sdk");

const vapi = new VapiClient({ token: "key", baseUrl: origin });
const once = { maxRetries: 0 };
const seen = {};

async function plan(fault) {
  const body = JSON.stringify(fault);
  const answer = await fetch(`${origin}/sandbox/faults`, { method: "POST", body });
  if (!answer.ok) throw new Error(await answer.text());
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { status: error.statusCode, body: error.body };
  }
  return { status: 200 };
}

async function everyCall(size) {
  const found = new Map();
  let createdAtLe = new Date().toISOString();
  for (let requests = 1; ; requests += 1) {
    const page = await vapi.calls.list({ limit: size, createdAtLe });
    for (const call of page) found.set(call.id, call);
    if (page.length < size) return { calls: [...found.values()], requests };
    createdAtLe = page.at(-1).createdAt;
  }
}

const assistants = await vapi.assistants.list({ limit: 10 });
seen.assistants = assistants.map((one) => one.name);
const genesis = await vapi.assistants.get({ id: assistants[1].id });
const model = structuredClone(genesis.model);
model.messages[0].content += "\nBe kind.";
const changed = await vapi.assistants.update({ id: genesis.id, model });
seen.updated = {
  grew: changed.model.messages[0].content === `${genesis.model.messages[0].content}\nBe kind.`,
  kept: JSON.stringify(changed.model.toolRefs) === JSON.stringify(genesis.model.toolRefs),
};

const { calls, requests } = await everyCall(20);
seen.calls = { ids: calls.map((call) => call.id), requests };
seen.costUnits = calls.reduce((sum, call) => sum + Math.round(call.cost * 10000), 0);
const talked = calls.find((call) => call.artifact?.messages);
const whole = await vapi.calls.get({ id: talked.id });
seen.same = JSON.stringify(whole) === JSON.stringify(talked);
seen.numbers = (await vapi.phoneNumbers.list()).map((one) => one.number);
const chat = await vapi.chats.create({ assistantId: genesis.id, input: "Stop texting me about insurance." });
seen.said = chat.output[0].content;

await plan({ kind: "rate_limit", retry_after: "1", path: "/assistant" });
const began = Date.now();
seen.after429 = (await vapi.assistants.list()).length;
seen.waited = (Date.now() - began) / 1000;
await plan({ kind: "rate_limit", path: "/call" });
seen["429"] = await refusal(() => vapi.calls.list({}, once));
await plan({ kind: "status", status: 500, path: "/call" });
seen["500"] = await refusal(() => vapi.calls.list({}, once));
seen["400"] = await refusal(() => vapi.assistants.update({ id: genesis.id, name: "x".repeat(41) }));

process.stdout.write(JSON.stringify(seen));
