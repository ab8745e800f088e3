import type { S3Client } from '@aws-sdk/client-s3';
import type { Answer, AskedLocation, Call, Sender, SenderTools } from '../asked.ts';
import { openClient } from './client.ts';
import type { S3 } from './declare.ts';
import { deleteKeys } from './delete-keys.ts';
import { emptyPrefix } from './empty-prefix.ts';
import { accountPart, fileKey, prefixOf } from './names.ts';
import { openStore, type Store } from './store.ts';
import { lookForFile, plantFile } from './test-data.ts';
import { Trouble } from './troubles.ts';

/** The part of a request's time after which a try deletes no further files, and that after which it is broken off. */
const BEGIN_WITHIN = 0.5;
const END_WITHIN = 2;

type Reached = Pick<AskedLocation<S3>, 'asks' | 'pacing'>;

/** What came of work at a store; `instead`: what is said where it does not do it. */
async function orTrouble<T>(work: () => Promise<T>, instead: (words: string) => T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Trouble) return instead(error.answer.words);
    throw error;
  }
}

/** Has S3 delete files. One client for each way to reach a store. */
export function openSender(tools: SenderTools): Sender<AskedLocation<S3>> {
  const clients = new Map<string, Promise<S3Client>>();
  const clientOf = (s3: S3): Promise<S3Client> => {
    const reach = JSON.stringify([s3.endpoint, s3.region, s3.pathStyle, s3.credentials]);
    const open = clients.get(reach) ?? openClient(s3, tools);
    clients.set(reach, open);
    // What could not be opened is opened anew: the variable may be there then.
    open.catch(() => clients.delete(reach));
    return open;
  };

  async function storeOf({ asks, pacing }: Reached, signal: AbortSignal): Promise<Store> {
    const client = await clientOf(asks);
    const { timeoutMs } = pacing;
    const whole = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs * END_WITHIN)]);
    return openStore({ client, bucket: asks.bucket, timeoutMs, signal: whole });
  }

  async function make({ asks, pacing }: AskedLocation<S3>, call: Call, signal: AbortSignal): Promise<Answer> {
    const until = Date.now() + pacing.timeoutMs * BEGIN_WITHIN;
    try {
      const store = await storeOf({ asks, pacing }, signal);
      if (asks.prefix !== undefined) {
        const of = prefixOf(asks.prefix, call.account);
        if ('problem' in of) throw new Trouble(of.problem, { down: false });
        return await emptyPrefix(store, of.prefix, call.cursor, until);
      }
      const pattern = asks.key ?? '{key}';
      const of = pattern.includes('{account}') ? accountPart(call.account) : { part: '' };
      if ('problem' in of) throw new Trouble(of.problem, { down: false });
      const keys = (call.keys ?? []).map((value) => fileKey(pattern, value, of.part));
      return await deleteKeys(store, keys, call.cursor, until);
    } catch (error) {
      if (error instanceof Trouble) return error.answer;
      throw error;
    }
  }

  return {
    batch: 1,
    send: (location, calls, signal) => Promise.all(calls.map((call) => make(location, call, signal))),
    plant: (location, of, signal) =>
      orTrouble(
        async () => plantFile(await storeOf(location, signal), location.asks, of),
        (words) => ({ kind: 'later', words }),
      ),
    look: (location, of, signal) =>
      orTrouble(
        async () => lookForFile(await storeOf(location, signal), location.asks, of),
        (words) => ({ kind: 'unknown', words }),
      ),
    close: async () => {
      const opened = await Promise.allSettled(clients.values());
      for (const one of opened) if (one.status === 'fulfilled') one.value.destroy();
      clients.clear();
    },
  };
}
