import { join } from 'node:path';
import { inject } from 'vitest';

/** The built file of a program, by the path of its source: `build.ts` names those that are built. */
export const program = (source: string): string => join(inject('programs'), source.replace(/\.ts$/, '.mjs'));
