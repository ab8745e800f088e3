import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { recordThroughput } from '../../erasure/model/throughput.ts';
import { eraseChunk } from '../../erasure/steps/erase-chunk.ts';
import { backoff, defineJob, KEPT } from '../model/job.ts';

/** Deletes one key range of a location, slice by slice. */
export const chunkErase = defineJob({
  name: 'chunk.erase',
  queue: 'chunks',
  payload: z.strictObject({
    erasureId: z.uuid(),
    chunkId: z.int().positive(),
    // For whoever looks at the queues; the version before does not add it. Never a key.
    location: z.string().optional(),
    pass: z.int().positive().optional(),
    range: z.int().positive().optional(),
    rows: z.int().nonnegative().optional(),
  }),
  // A child that fails must neither park nor fail its parent: the ledger says what is left.
  options: { ...KEPT, attempts: 5, backoff: backoff(500), ignoreDependencyOnFailure: true },
  entry: { with: 'erasure.advance' },
  // The next step reads from the ledger which chunks are unfinished.
  due: { with: 'erasure.advance' },
  quiet: ['contended'],
  failed: (metrics, code) => metrics.chunksFailed.inc({ code }),

  run: async ({ ctx, sliceSize, showProgress, metrics }, { erasureId, chunkId }, signal) => {
    let rows = 0;
    let ms = 0;
    let location = '';
    const outcome = await eraseChunk(ctx, chunkId, sliceSize, {
      proceed: () => !signal.aborted,
      pause: async (pauseMs) => {
        const begun = performance.now();
        await wait(pauseMs, undefined, { signal }).catch(() => {});
        metrics.pausedSeconds.inc((performance.now() - begun) / 1000);
      },
      onSlice: (slice) => {
        rows += slice.rows;
        ms += slice.ms;
        location = slice.location;
        metrics.sliceSeconds.observe({ location }, slice.ms / 1000);
        void showProgress(erasureId);
      },
    });
    // Predictions are for looking at: a measurement that is lost must not fail the chunk, nor its commit delay the next.
    void recordThroughput(ctx.db, location, rows, ms).catch((error: Error) =>
      ctx.log.debug({ chunkId, code: error.name }, 'speed not recorded'),
    );
    if (location) metrics.chunkSeconds.observe({ location }, ms / 1000);
    if (outcome === 'finished') metrics.chunksFinished.inc({ location });
    return { outcome, rows };
  },
});
