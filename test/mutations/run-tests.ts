import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { start } from '../../dev/process.ts';

/**
 * How a run of test files ended. `broken`: no test failed and yet it did not pass, as where a file cannot be
 * loaded: that says nothing about the tests.
 */
export type Outcome =
  | { kind: 'passed' }
  | { kind: 'failed'; test: string }
  | { kind: 'timeout' }
  | { kind: 'broken'; why: string };

type Report = {
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName: string }[];
  }[];
};

const REPORT = '.mutation-report.json';

/** Runs test files in `folder` until the first test fails, `ms` milliseconds at most. */
export async function runTests(folder: string, files: readonly string[], ms: number): Promise<Outcome> {
  const report = join(folder, REPORT);
  rmSync(report, { force: true });
  const vitest = start(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      ...files,
      '--bail=1',
      '--cache=false',
      '--reporter=json',
      `--outputFile=${REPORT}`,
    ],
    // What one run remembers of the files must not decide what the next one does.
    { cwd: folder, env: { ...process.env, NO_COLOR: '1' } },
  );
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    // The group: its workers would go on without it. The servers end with the process that started them.
    process.kill(-vitest.pid, 'SIGKILL');
  }, ms);
  const code = await vitest.exited;
  clearTimeout(timer);
  if (late) return { kind: 'timeout' };
  if (!existsSync(report)) return { kind: 'broken', why: lastLine(vitest.output()) };
  return outcomeOf(JSON.parse(readFileSync(report, 'utf8')) as Report, code, folder, vitest.output());
}

function outcomeOf({ testResults }: Report, code: number | null, folder: string, output: string): Outcome {
  for (const { name, assertionResults } of testResults) {
    const failed = assertionResults.find((test) => test.status === 'failed');
    if (failed) return { kind: 'failed', test: `${name.replace(`${folder}/`, '')}: ${failed.fullName}` };
  }
  if (code === 0) return { kind: 'passed' };
  const file = testResults.find((result) => result.status === 'failed' && result.message);
  return { kind: 'broken', why: file ? `${file.name.replace(`${folder}/`, '')}: ${file.message}` : lastLine(output) };
}

const lastLine = (output: string) => output.trim().split('\n').at(-1) ?? '';
