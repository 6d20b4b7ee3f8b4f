// Vercel's AI SDK: plain, streamed, cited, a second turn by references, tools, and the reason of a refusal.
import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
const prompt = 'What of streaming?';
for (const model of [openai('nimbus-001'), openai.chat('nimbus-001')]) {
  const responses = model.provider.includes('responses');
  const first = await generateText({ model, prompt, maxRetries: 0 });
  assert(first.text);
  if (responses) {
    assert.equal(first.sources[0].sourceType, 'document');
    assert.equal(first.sources[0].filename, 'clip.mp4');
  }
  const messages = [{ role: 'user', content: prompt }, ...first.response.messages, { role: 'user', content: 'And?' }];
  assert((await generateText({ model, messages, maxRetries: 0 })).text);

  const parts = [];
  for await (const part of streamText({ model, prompt, maxRetries: 0 }).fullStream) parts.push(part);
  assert(!parts.some((part) => part.type === 'error'), JSON.stringify(parts));
  assert.equal(parts.filter((part) => part.type === 'text-delta').map((part) => part.text).join(''), first.text);
  if (responses) assert(parts.some((part) => part.type === 'source'));

  const places = [];
  const weather = tool({
    description: 'The weather at a place.',
    inputSchema: z.object({ location: z.string() }),
    execute: async ({ location }) => (places.push(location), []),
  });
  const settings = { model, system: process.env.SCRIPT, prompt: 'Warm?', maxRetries: 0, stopWhen: stepCountIs(3) };
  const told = await generateText({ ...settings, tools: { get_weather: weather } });
  assert(told.text);
  assert.deepEqual(places, ['Rome']);

  await assert.rejects(generateText({ model, prompt, temperature: 9, maxRetries: 0 }), /temperature must be/);
}
console.log('done');
