import type { Answer, AskedLocation, Call, Sender, SenderTools } from '../../src/locations/asked.ts';
import { asks, type S3 } from '../../src/locations/object-store/declare.ts';
import { openSender } from '../../src/locations/object-store/sender.ts';

export const LOOPBACK = {
  privateHosts: ['127.0.0.1'],
  variables: { K: 'S3RVER', S: 'S3RVER' } as Record<string, string>,
};

/** A sender as a worker opens it, with its variables and private hosts. */
export const openS3 = ({ privateHosts, variables } = LOOPBACK): Sender<AskedLocation<S3>> =>
  openSender({ privateHosts, variable: (name: string) => variables[name] } as unknown as SenderTools);

/** A place of files, as far as a sender looks at it. */
export const filesAt = (url: string, more: Record<string, unknown> = {}, timeoutMs = 10_000): AskedLocation<S3> =>
  ({
    name: 'files',
    pacing: { timeoutMs, concurrency: 1, perSecond: null, ackTimeoutMs: 60_000 },
    asks: asks.parse({
      bucket: 'app-media',
      endpoint: url,
      credentials: { key: 'env:K', secret: 'env:S' },
      ...more,
    }),
  }) as unknown as AskedLocation<S3>;

export type Asked = Partial<Pick<Call, 'cursor' | 'keys' | 'attempts'>> & { account?: string };

/** One try of one call. */
export async function tryOnce(
  sender: Sender<AskedLocation<S3>>,
  location: AskedLocation<S3>,
  { account = '4', cursor = null, keys = null, attempts = 0 }: Asked = {},
): Promise<Answer> {
  const call = { id: 'call', account: { id: account }, cursor, keys, attempts } as unknown as Call;
  const [answer] = await sender.send(location, [call], new AbortController().signal);
  return answer as Answer;
}

/** Tries until an answer is not `more`, each from where the one before has come. */
export async function tryOn(
  sender: Sender<AskedLocation<S3>>,
  location: AskedLocation<S3>,
  asked: Asked = {},
): Promise<{ answers: Answer[]; last: Answer; rows: number; cursor: Call['cursor'] }> {
  const answers: Answer[] = [];
  let cursor = asked.cursor ?? null;
  for (let tries = 0; tries < 100; tries++) {
    const answer = await tryOnce(sender, location, { ...asked, cursor });
    answers.push(answer);
    if (answer.kind === 'more') cursor = answer.cursor;
    else {
      const rows = answers.reduce((sum, a) => sum + ('rows' in a ? (a.rows ?? 0) : 0), 0);
      return { answers, last: answer, rows, cursor };
    }
  }
  throw new Error('no end after 100 tries');
}
