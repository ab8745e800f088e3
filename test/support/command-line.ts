import { PassThrough, Writable } from 'node:stream';
import { Command } from 'commander';
import { alertsCommand } from '../../src/cli/alerts.ts';
import { canaryCommand } from '../../src/cli/canary.ts';
import { catalogCommand } from '../../src/cli/catalog.ts';
import { datasetCommand } from '../../src/cli/dataset.ts';
import { eraseCommand } from '../../src/cli/erase.ts';
import { holdCommand } from '../../src/cli/hold.ts';
import { listCommand } from '../../src/cli/list.ts';
import { partnerCommand } from '../../src/cli/partner.ts';
import { planCommand } from '../../src/cli/plan.ts';
import { releaseCommand } from '../../src/cli/release.ts';
import { replayCommand } from '../../src/cli/replay.ts';
import { reportFailure, throwing } from '../../src/cli/shell/failure.ts';
import type { Output, Terminal } from '../../src/cli/shell/terminal.ts';
import { startCommand } from '../../src/cli/start.ts';
import { statusCommand } from '../../src/cli/status.ts';
import { undoCommand } from '../../src/cli/undo.ts';

export type Ran = { code: number; out: string; err: string };
type Options = {
  /** Output is a terminal; `colours`: one that has them. */
  tty?: boolean;
  colours?: boolean;
  /** What is typed on a terminal; without it there is none to ask on. */
  typed?: string;
  /** Called with the whole output whenever some is added. */
  onOutput?: (out: string) => void;
};

/** Runs a verb of the command line in this process: the same but for the start of one. */
export async function runVerb(env: Record<string, string>, args: string[], options: Options = {}): Promise<Ran> {
  const ran = { out: '', err: '' };
  const collect = (name: 'out' | 'err') => {
    const stream = new Writable({
      write: (data, _, done) => {
        ran[name] += String(data);
        options.onOutput?.(ran.out);
        done();
      },
    });
    const tty = { isTTY: options.tty === true, columns: 100, hasColors: () => options.colours === true };
    return Object.assign(stream, tty) as Output;
  };
  const input = new PassThrough();
  if (options.typed !== undefined) input.end(options.typed);
  const terminal: Terminal = {
    out: collect('out'),
    err: collect('err'),
    input: Object.assign(input, { isTTY: options.typed !== undefined }),
    env,
    exitCode: 0,
  };
  const verbs = [
    planCommand,
    eraseCommand,
    statusCommand,
    listCommand,
    startCommand,
    undoCommand,
    holdCommand,
    releaseCommand,
    replayCommand,
    catalogCommand,
    partnerCommand,
    alertsCommand,
    datasetCommand,
    canaryCommand,
  ];
  const program = new Command('lethe');
  for (const verb of verbs) program.addCommand(verb(terminal));
  try {
    await throwing(program, terminal).parseAsync(args, { from: 'user' });
  } catch (error) {
    terminal.exitCode = reportFailure(error, terminal.err);
  }
  return { code: terminal.exitCode, ...ran };
}
