import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { sanitize } from '../../store/sql-errors.ts';
import { PartnerLoop, type Pumping } from './partner-loop.ts';
import { partnersDue } from './take.ts';

/** Between two looks for calls that are due. */
const LOOK_MS = 500;
/** While the database is away. */
const OUTAGE_MS = 5_000;

/** Makes calls once, until nothing is due. For whoever has no process that pumps. */
export async function pumpOnce(of: Omit<Pumping, 'signal'>): Promise<void> {
  let heard = 0;
  const onAnswer: Pumping['onAnswer'] = (...answer) => {
    heard += 1;
    of.onAnswer?.(...answer);
  };
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const pumping = { ...of, onAnswer, signal };
  for (let before = -1; heard > before; ) {
    before = heard;
    const due = await partnersDue(of.ctx, of.holder);
    await Promise.all(due.map((name) => new PartnerLoop(pumping, name).run()));
  }
}

/**
 * Makes the calls to partners in this process until stopped: a loop for each partner that has something due and that no other
 * process has. One that hangs keeps nobody else waiting. What is due lies in Postgres, so that there is nothing to lose.
 */
export function startPump(of: Omit<Pumping, 'signal'>): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  // Each call under way listens to it.
  setMaxListeners(0, signal);
  const running = new Map<string, Promise<void>>();
  const begin = (name: string) => {
    const loop = new PartnerLoop({ ...of, signal }, name)
      .run()
      .catch((error: unknown) =>
        of.ctx.log.warn({ partner: name, code: sanitize(error).code }, 'calls will be made later'),
      )
      .finally(() => running.delete(name));
    running.set(name, loop);
  };
  const looking = (async () => {
    while (!signal.aborted) {
      let wait = LOOK_MS;
      try {
        for (const name of await partnersDue(of.ctx, of.holder)) if (!running.has(name)) begin(name);
      } catch (error) {
        of.ctx.log.debug({ code: sanitize(error).code }, 'due calls cannot be read');
        wait = OUTAGE_MS;
      }
      await pause(wait * (0.8 + 0.4 * Math.random()), undefined, { signal, ref: false }).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await looking;
      await Promise.all(running.values());
    },
  };
}
