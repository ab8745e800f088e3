import { startsTooLate } from '../settings/sweep-times.ts';
import type { Catalog } from './live/types.ts';

/** When erasures start: the sweep's cron expression (UTC), and the milliseconds in which one can be undone. */
type Start = { sweepCron: string; undoWindowMs: number };

/** Warnings about locations whose own deadline an erasure may miss before it has started, each with the figures. */
export const lateLocations = (catalog: Catalog, start: Start): string[] =>
  catalog.locations.flatMap(({ name, slaMs, atRequest }) => {
    const late = slaMs === undefined || atRequest ? undefined : startsTooLate(start, slaMs, new Date());
    return late ? [`locations.${name}: sla: ${late}`] : [];
  });
