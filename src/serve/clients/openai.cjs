// OpenAI's client for node against the service at argv[2]: what it gets, as one line of JSON, for test_node.py.

const OpenAI = require("openai").default;

const baseURL = `${process.argv[2]}/v1`;
const TEXT = "Turn left in 300 m.";
const LONG = "This goes on for quite some time. ".repeat(100);
const asked = (more) => ({ model: "wren", voice: "us-male", input: TEXT, response_format: "pcm", ...more });

async function main() {
  const client = new OpenAI({ baseURL, apiKey: "-", maxRetries: 1 });
  const seen = { version: require("openai/version").VERSION };

  const whole = await client.audio.speech.create(asked());
  seen.bytes = (await whole.arrayBuffer()).byteLength;

  const streamed = await client.audio.speech.create(asked());
  const pieces = [];
  for await (const piece of streamed.body) pieces.push(piece.length);
  seen.streamed = pieces.reduce((sum, length) => sum + length, 0);
  seen.pieces = pieces.length;

  try {
    await client.audio.speech.create(asked({ voice: "nobody" }));
  } catch (error) {
    seen.error = { name: error.constructor.name, status: error.status, code: error.code, param: error.param, request: error.requestID };
  }
  seen.models = (await client.models.list()).data.map((model) => model.id);

  // While one is spoken for, another is refused, comes again when it was told to, and is refused again.
  const leaver = new AbortController();
  const running = await client.audio.speech.create(asked({ input: LONG }), { signal: leaver.signal });
  await running.body[Symbol.asyncIterator]().next();
  const before = Date.now();
  try {
    await client.audio.speech.create(asked());
  } catch (error) {
    seen.busy = { name: error.constructor.name, status: error.status, after_ms: Date.now() - before };
  }
  leaver.abort();
  console.log(JSON.stringify(seen));
}

main();
