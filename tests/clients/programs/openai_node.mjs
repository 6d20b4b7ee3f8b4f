// openai-node: plain, streamed, cited, a second turn, tools, an upload, lists.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';

const client = new OpenAI({ maxRetries: 0 });
const model = 'nimbus-001';
const input = 'What of streaming?';
const first = await client.responses.create({ model, input });
assert.equal(first.output[0].content[0].annotations[0].type, 'file_citation');
let streamed = '';
const kinds = new Set();
for await (const event of await client.responses.create({ model, input, stream: true })) {
  kinds.add(event.type);
  if (event.type === 'response.output_text.delta') streamed += event.delta;
}
assert.equal(streamed, first.output_text);
assert(kinds.has('response.output_text.annotation.added') && kinds.has('response.completed'));
const second = await client.responses.create({ model, input: 'And?', previous_response_id: first.id });
assert(second.output_text);
const named = [{ type: 'item_reference', id: first.output[0].id }, { role: 'user', content: 'And?' }];
assert((await client.responses.create({ model, input: named })).output_text);

const parameters = { type: 'object', properties: { location: { type: 'string' } } };
const tools = [{ type: 'function', name: 'get_weather', parameters, strict: false }];
const called = await client.responses.create({ model, input: 'Warm?', tools, instructions: process.env.SCRIPT });
assert.equal(called.output.at(-1).name, 'get_weather');

const chat = await client.chat.completions.create({ model, messages: [{ role: 'user', content: 'What?' }] });
assert(chat.choices[0].message.content);
const before = [];
for await (const file of client.files.list()) before.push(file.id);
const clip = await toFile(Buffer.concat([Buffer.from('\0\0\0\x18ftypmp42', 'latin1'), Buffer.alloc(50)]), 'say "hi".mp4');
assert.equal((await client.files.create({ file: clip, purpose: 'user_data' })).filename, 'say "hi".mp4');
const after = [];
for await (const file of client.files.list({ limit: 1 })) after.push(file.id);
assert.equal(after.length, before.length + 1);
await assert.rejects(client.responses.create({ model, input, temperature: 9 }), /temperature must be/);
console.log('done');
