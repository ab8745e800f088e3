import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { PACKAGES, ROOMS, type Room } from './rooms.ts';

/** One import of a file of src. `to`: a path below src, or outside of it (`../dev/x.ts`), or the name of a package. */
export type Import = { from: string; to: string; kind: 'file' | 'package' };

/** Every TypeScript file below a folder, by its path in there. */
export const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => posix.relative(folder, posix.join(entry.parentPath, entry.name)))
    .sort();

const SPECIFIER = /(?:\bfrom|\bimport)\s*\(?\s*'([^'\n]+)'/g;

/** What a text imports: also types, what it exports of others, and what it loads later. */
export const importsOf = (from: string, text: string): Import[] =>
  [...text.matchAll(SPECIFIER)].map(([, name]) => {
    const written = name as string;
    if (!written.startsWith('.')) return { from, to: written, kind: 'package' };
    return { from, to: posix.join(posix.dirname(from), written), kind: 'file' };
  });

/** The imports of every file of a folder. */
export const readImports = (folder: string): Import[] =>
  filesIn(folder).flatMap((file) => importsOf(file, readFileSync(posix.join(folder, file), 'utf8')));

/** The name of the room that a file below src is in, whether the table has it or not; a room's name stays. */
export const roomNameOf = (path: string): string =>
  /\.[jt]s$/.test(path) && path.includes('/') ? posix.dirname(path) : path;

export const roomOf = (path: string): Room | undefined => ROOMS.find(({ name }) => name === roomNameOf(path));

/** Whether `by` names this file or room: itself, the file's room, or all that begin so. */
const covers = (by: string, path: string): boolean =>
  by === path || by === roomNameOf(path) || (by.endsWith('/') && `${path}/`.startsWith(by));

/** Which packages a path may not import: each with those who may. */
export const reservedFrom = (path: string) => PACKAGES.filter(({ by }) => !by.some((one) => covers(one, path)));

const inPackage = (pattern: string, name: string): boolean => {
  const bare = pattern.replace('/**', '');
  return name === bare || name.startsWith(`${bare}/`);
};

/** Why the table forbids an import, in words; undefined where it allows it. */
export function forbidden({ from, to, kind }: Import): string | undefined {
  const room = roomOf(from);
  if (!room) return `${from}: its room is not in the table`;
  if (kind === 'package') {
    const reserved = reservedFrom(from).find(({ names }) => names.some((name) => inPackage(name, to)));
    if (reserved) return `${from} imports ${to}, which only ${reserved.by.join(' and ')} may`;
    const free = !room.packages || room.packages.some((name) => inPackage(name, to));
    return free ? undefined : `${from} imports ${to}; ${room.name} may import ${room.packages?.join(' and ')}`;
  }
  const target = roomNameOf(to);
  const allowed = [room.name, ...room.imports];
  return allowed.includes(target) || allowed.includes(to) ? undefined : `${from} imports ${to}`;
}

/** Files that import one another in a circle, each circle sorted. */
export function circlesAmong(imports: readonly Import[]): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, to, kind } of imports) if (kind === 'file') next.set(from, [...(next.get(from) ?? []), to]);
  const reaches = (start: string): Set<string> => {
    const seen = new Set<string>();
    const open = [start];
    for (let file = open.pop(); file !== undefined; file = open.pop())
      for (const to of next.get(file) ?? [])
        if (!seen.has(to)) {
          seen.add(to);
          open.push(to);
        }
    return seen;
  };
  const reached = new Map([...next.keys()].map((file) => [file, reaches(file)]));
  const inCircle = [...reached].filter(([file, all]) => all.has(file));
  const circles = inCircle.map(([file, all]) => [...all].filter((other) => reached.get(other)?.has(file)).sort());
  return [...new Map(circles.map((circle) => [circle.join(), circle])).values()];
}
