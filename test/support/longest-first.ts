import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Of a file that nobody has measured: those of `test/unit` are short. */
const UNKNOWN_SECONDS = 10;
const UNIT_SECONDS = 1;

/** Begins with the files that take longest, so that none of them is alone at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const durations = JSON.parse(readFileSync('dev/quick/durations.json', 'utf8')) as Record<string, number>;
    const seconds = ({ moduleId }: TestSpecification) => {
      const file = relative(process.cwd(), moduleId);
      return durations[file] ?? (file.startsWith('test/unit/') ? UNIT_SECONDS : UNKNOWN_SECONDS);
    };
    return [...files].sort((a, b) => seconds(b) - seconds(a));
  }
}
