import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/servers.ts'],
    setupFiles: ['test/support/fresh.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    isolate: false,
    // Most of them wait most of the time: two processors are not busy with three.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    retry: 0,
    passWithNoTests: false,
  },
});
