import { expect, it } from 'vitest';
import { createClient, type Erasure, type LocationProgress } from '../../src/client/index.ts';

const location = (name: string, state: LocationProgress['state']) => ({ name, owner: 'reader', state });
const erasure = (state: Erasure['state'], newsletter: LocationProgress['state']) => ({
  id: '0193f0a0-0000-7000-8000-000000000000',
  state,
  progress: {
    locations: [location('posts', 'done'), location('newsletter', newsletter), location('invoices', 'retained')],
  },
});

it('follows an erasure through the time in which others have not confirmed, to its end', async () => {
  const events = [
    ['snapshot', erasure('awaiting', 'awaiting')],
    ['progress', erasure('awaiting', 'done')],
    ['state', erasure('completed', 'done')],
    ['end', { state: 'completed' }],
  ] as const;
  const stream = events.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join('');
  const asked: string[] = [];
  const client = createClient({
    baseUrl: 'https://lethe.example',
    token: 'key',
    fetch: async (input) => {
      asked.push(String(input));
      return new Response(stream, { headers: { 'Content-Type': 'text/event-stream' } });
    },
  });
  const seen: string[] = [];
  for await (const { state, progress } of client.follow('0193f0a0-0000-7000-8000-000000000000'))
    seen.push(`${state}: ${progress.locations.map((l) => `${l.name} ${l.state}`).join(', ')}`);
  expect(seen).toEqual([
    'awaiting: posts done, newsletter awaiting, invoices retained',
    'awaiting: posts done, newsletter done, invoices retained',
    'completed: posts done, newsletter done, invoices retained',
  ]);
  expect(asked).toHaveLength(1);
});
