import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sweepUp } from '../../dev/reaper.ts';
import { applyEdit, type Mutation } from './mutation.ts';

/** The project's files in a temporary folder: the working tree itself is never mutated. */
export type Copy = {
  folder: string;
  /** Runs `work` while the copy is mutated, and restores it. */
  mutated: <T>(mutation: Mutation, work: () => Promise<T>) => Promise<T>;
  remove: () => void;
};

/** What git tracks or would track, as it stands in the working tree. */
const files = (): string[] =>
  execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
    .split('\0')
    .filter((file) => file !== '' && file !== 'node_modules' && existsSync(file));

export function copyProject(): Copy {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lethe-mutations-')));
  sweepUp(folder);
  for (const file of files()) {
    const target = join(folder, file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(file, target);
  }
  symlinkSync(realpathSync('node_modules'), join(folder, 'node_modules'), 'dir');
  return {
    folder,
    mutated: async (mutation, work) => {
      const texts = mutatedTexts(mutation, (file) => readFileSync(join(folder, file), 'utf8'));
      const before = [...texts.keys()].map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const);
      try {
        for (const [file, text] of texts) writeFileSync(join(folder, file), text);
        return await work();
      } finally {
        for (const [file, text] of before) writeFileSync(join(folder, file), text);
      }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The mutated text of each file that a mutation edits. Throws a StaleMutation. */
export function mutatedTexts({ edits }: Mutation, read: (file: string) => string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const edit of edits) texts.set(edit.file, applyEdit(texts.get(edit.file) ?? read(edit.file), edit));
  return texts;
}
