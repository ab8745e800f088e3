import { setTimeout as pause } from 'node:timers/promises';
import type { Fault, Scene, Undo } from './fault.ts';
import { faultOf } from './faults.ts';
import { randomFrom } from './random.ts';
import type { Planned, Schedule } from './schedule.ts';
import type { Missing } from './servers.ts';
import type { Supervised } from './supervised.ts';

/** Faults at the wire that have not come by then do not come any more. */
const WINDOW_MS = 8_000;
const UNDO_MS = 40_000;

/** `happened`: in their order. `notRun`: what the machine cannot do. */
export type Played = { happened: string[]; notRun: string[] };

/** Lets the faults of a schedule happen, ends each of them, and resolves when all is as it should be again. */
export async function play(scene: Scene, schedule: Schedule, missing: Missing): Promise<Played> {
  const played: Played = { happened: [], notRun: [] };
  const disarm: (() => void)[] = [];
  const busy: Promise<unknown>[] = [];
  const wait = <T>(done: Promise<T>): Promise<T> => {
    // Heard at the end; until then a failure must not end this process.
    done.catch(() => {});
    busy.push(done);
    return done;
  };
  const happen = (planned: Planned, act: () => Promise<Undo>) => {
    played.happened.push(planned.fault);
    return wait(last(planned, act));
  };
  for (const planned of schedule.faults) {
    const fault = faultOf(planned.fault);
    const why = cannot(fault, missing);
    if (why) {
      played.notRun.push(`${fault.name} (${why})`);
      continue;
    }
    const draw = randomFrom(planned.draw);
    const { trigger } = planned;
    if (fault.on === 'time' && 'afterMs' in trigger) {
      void wait(pause(trigger.afterMs).then(() => happen(planned, () => fault.do(scene, draw))));
    } else if (fault.on === 'wire' && 'moment' in trigger) {
      const process = scene.processes[trigger.process] as Supervised;
      disarm.push(
        process.wire.at(trigger.moment, trigger.n, (stop) =>
          happen(planned, () => fault.do(scene, draw, { process, stop })),
        ),
      );
    }
  }
  await pause(WINDOW_MS);
  for (const stop of disarm) stop();
  // One that ends may have been waiting for another.
  let waited = -1;
  while (waited < busy.length) {
    waited = busy.length;
    await Promise.all(busy);
  }
  return played;
}

function cannot(fault: Fault, missing: Missing): string | undefined {
  if (fault.pooled) return missing.pooler;
  return fault.cluster === 'small' ? missing.smallDisk : undefined;
}

/** Does it, leaves it for its time, and ends it however often that has to be tried. */
async function last(planned: Planned, act: () => Promise<Undo>): Promise<void> {
  let undo: Undo = null;
  try {
    undo = await act();
  } catch (error) {
    // Another fault is in the way: a server that is down cannot be asked to do anything.
    if (!isAway(error)) throw error;
  }
  if (!undo) return;
  await pause(planned.forMs);
  const end = Date.now() + UNDO_MS;
  for (;;) {
    try {
      return void (await undo());
    } catch (error) {
      if (Date.now() > end) throw new Error(`${planned.fault} could not be ended`, { cause: error });
      await pause(100);
    }
  }
}

/** A server that was asked is away, stands still, or gave no lock in time. */
function isAway(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return (
    /^(CONNECT|ECONN|EPIPE|57P0|55P03|57014|40P01|53|08|42P01|25006)/.test(code) ||
    /timed out|Connection is closed|max retries|LOADING|OOM/i.test(message)
  );
}
