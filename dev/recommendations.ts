import { consume } from '../src/consumer/index.ts';

/** A partner of the sample application that reads erasure events, and acknowledges them: profiles by account. */
export function startRecommendations({ redis, stream, partner }: { redis: string; stream: string; partner: string }) {
  const profiles = new Map<string, number>();
  let stopping = new AbortController();
  let running: Promise<void> | undefined;
  const start = async () => {
    stopping = new AbortController();
    running = consume({
      redis,
      stream,
      group: partner,
      partner,
      signal: stopping.signal,
      handle: ({ account }) => (profiles.delete(account.id as string) ? 'erased' : 'not_found'),
    });
  };
  return {
    add: (account: string, count: number) => profiles.set(account, count),
    count: (account: string) => profiles.get(account) ?? 0,
    start,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
