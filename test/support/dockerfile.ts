import { readFileSync } from 'node:fs';

export type Instruction = { name: string; text: string };
export type Stage = { base: string; name: string; instructions: Instruction[] };

/** The Dockerfile's stages in order; `\` joins lines, comments are left out. */
export function stages(): Stage[] {
  const text = readFileSync('Dockerfile', 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ');
  const found: Stage[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (!name || rest === undefined) throw new Error(`not an instruction: ${line}`);
    const from = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest);
    if (name === 'FROM') found.push({ base: from?.[1] ?? '', name: from?.[2] ?? '', instructions: [] });
    else found.at(-1)?.instructions.push({ name, text: rest });
  }
  return found;
}

/** The last stage's instruction of a name; the last one counts, as for docker. */
export function lastOf(name: string): string {
  const found = stages()
    .at(-1)
    ?.instructions.filter((i) => i.name === name);
  if (!found?.length) throw new Error(`the last stage has no ${name}`);
  return found.at(-1)?.text ?? '';
}

/** The health check's command and arguments. */
export function healthcheck(): string[] {
  const text = lastOf('HEALTHCHECK');
  return JSON.parse(text.slice(text.indexOf('['))) as string[];
}
