import { setTimeout as pause } from 'node:timers/promises';
import type { Fault, Scene } from './fault.ts';
import type { Signal, Supervised } from './supervised.ts';

function end(scene: Scene, process: Supervised, signal: Signal): null {
  if (process.signal(signal)) scene.killed();
  return null;
}
const api = ({ processes }: Scene) => processes[0] as Supervised;
const workers = ({ processes }: Scene) => processes.slice(1);
const AWAY = [-2 * 86_400_000, -7_200_000, -300_000, 300_000, 7_200_000, 2 * 86_400_000];

/** What happens to processes of Lethe: at a time, and between two messages that they send to Postgres. */
export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'api-killed',
    what: 'kill -9 of the API',
    on: 'time',
    do: async (scene) => end(scene, api(scene), 'SIGKILL'),
  },
  {
    name: 'api-terminated',
    what: 'SIGTERM to the API',
    on: 'time',
    do: async (scene) => end(scene, api(scene), 'SIGTERM'),
  },
  {
    name: 'worker-killed',
    what: 'kill -9 of a worker',
    on: 'time',
    do: async (scene, draw) => end(scene, draw.pick(workers(scene)), 'SIGKILL'),
  },
  {
    name: 'worker-terminated',
    what: 'SIGTERM to a worker',
    on: 'time',
    do: async (scene, draw) => end(scene, draw.pick(workers(scene)), 'SIGTERM'),
  },
  {
    name: 'all-killed',
    what: 'kill -9 of every process at once',
    on: 'time',
    do: async (scene) => {
      for (const process of scene.processes) end(scene, process, 'SIGKILL');
      return null;
    },
  },
  {
    name: 'worker-frozen',
    what: 'a worker stands still, also for longer than its locks in Redis last',
    on: 'time',
    do: async (scene, draw) => {
      const process = draw.pick(workers(scene));
      process.freeze(true);
      await pause(draw.pick([500, 3_000, 12_000]));
      return async () => process.freeze(false);
    },
  },
  {
    name: 'clock-moved',
    what: 'the clock of one process is wrong, by five minutes to two days, either way',
    on: 'time',
    do: async (scene, draw) => {
      const process = draw.pick(scene.processes);
      process.launch = {
        ...process.usual,
        node: ['--import', './test/harness/clock.mjs'],
        env: { CLOCK_MOVED_MS: String(draw.pick(AWAY)) },
      };
      end(scene, process, 'SIGTERM');
      await pause(4_000);
      return async () => {
        process.launch = process.usual;
        end(scene, process, 'SIGTERM');
      };
    },
  },
  {
    name: 'killed-before-message',
    what: 'kill -9 before the n-th message reaches Postgres',
    on: 'wire',
    do: async (scene, _draw, { process, stop }) => {
      end(scene, process, 'SIGKILL');
      stop.cut();
      return null;
    },
  },
  {
    name: 'killed-after-message',
    what: 'kill -9 when the n-th message has gone to Postgres',
    on: 'wire',
    do: async (scene, _draw, { process, stop }) => {
      stop.forward();
      return end(scene, process, 'SIGKILL');
    },
  },
  {
    name: 'terminated-at-message',
    what: 'SIGTERM at the n-th message, which goes on',
    on: 'wire',
    do: async (scene, _draw, { process }) => end(scene, process, 'SIGTERM'),
  },
  {
    name: 'killed-in-commit',
    what: 'kill -9 when a COMMIT has gone to Postgres and its answer has not come back',
    on: 'wire',
    moments: ['commit'],
    do: async (scene, draw, { process, stop }) => {
      stop.mute();
      stop.forward();
      await pause(draw.pick([0, 20]));
      return end(scene, process, 'SIGKILL');
    },
  },
];
