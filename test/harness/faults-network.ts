import { setTimeout as pause } from 'node:timers/promises';
import type { Fault } from './fault.ts';

/** What happens to connections with Postgres, at a message or at a time. */
export const NETWORK_FAULTS: readonly Fault[] = [
  {
    name: 'cut-before-message',
    what: 'the connection is cut before the n-th message reaches Postgres',
    on: 'wire',
    do: async (_scene, _draw, { stop }) => {
      stop.cut();
      return null;
    },
  },
  {
    name: 'cut-in-commit',
    what: 'a COMMIT goes to Postgres and the connection is cut before the answer: the outcome is unknown',
    on: 'wire',
    moments: ['commit'],
    do: async (_scene, draw, { stop }) => {
      stop.mute();
      stop.forward();
      await pause(draw.pick([0, 5, 50]));
      stop.cut();
      return null;
    },
  },
  {
    name: 'half-open-at-message',
    what: 'the connection says nothing more from the n-th message on, and is cut after some seconds',
    on: 'wire',
    do: async (_scene, draw, { stop }) => {
      stop.mute();
      if (draw.chance(0.5)) stop.forward();
      await pause(draw.pick([500, 3_000, 12_000]));
      stop.cut();
      return null;
    },
  },
  {
    name: 'postgres-half-open',
    what: 'every connection of a process with Postgres is silent for a while, and then goes on',
    on: 'time',
    do: async (scene, draw) => {
      const { relay } = draw.pick(scene.processes).wire;
      relay.hush();
      return async () => relay.resume();
    },
  },
  {
    name: 'postgres-slow',
    what: 'each packet between a process and Postgres takes 5 to 60 ms',
    on: 'time',
    do: async (scene, draw) => {
      const { relay } = draw.pick(scene.processes).wire;
      relay.delayMs = draw.integer(5, 60);
      return async () => relay.resume();
    },
  },
  {
    name: 'postgres-cut',
    what: 'every connection of every process with Postgres is cut at once',
    on: 'time',
    do: async (scene) => {
      for (const process of scene.processes) process.wire.relay.cutAll();
      return null;
    },
  },
];
