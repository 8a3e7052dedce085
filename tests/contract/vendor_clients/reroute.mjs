// Vapi's MCP server knows one address only. This sends what it fetches there to VAPI_STAND_IN.
const original = globalThis.fetch;

globalThis.fetch = (input, init) => {
  const request = new Request(input, init);
  const url = request.url.replace("https://api.vapi.ai", process.env.VAPI_STAND_IN);
  return original(new Request(url, request), init?.signal ? { signal: init.signal } : undefined);
};
