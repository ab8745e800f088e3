import { posix } from 'node:path';
import { reservedFrom } from './imports.ts';
import { PACKAGES, ROOMS, type Room } from './rooms.ts';

type Pattern = { group: string[]; message: string };
export type Override = {
  includes: string[];
  linter: {
    rules: { style: { noRestrictedImports: { level: 'error'; options: { patterns: Pattern[] } } } };
  };
};

const TABLE = 'dev/rooms/rooms.ts says so';
const isFile = (name: string) => /\.[jt]s$/.test(name);

/** How files of a room write an import of another room's files, or of one file. */
function written(room: Room, target: string): string {
  const folder = isFile(room.name) ? '.' : room.name;
  const path = posix.relative(folder, isFile(target) ? target : `${target}/*.ts`);
  return path.startsWith('.') ? path : `./${path}`;
}

const listed = (names: readonly string[]) =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

/** All that lies in another folder, but what the table allows. */
function otherRooms(room: Room): Pattern {
  const allowed = room.imports;
  // A file at the top of src has neighbours, each of which is a room.
  const others = isFile(room.name) ? ['./**', '../**'] : ['./*/**', '../**'];
  return {
    group: [...others, ...allowed.map((target) => `!${written(room, target)}`)],
    message: `${room.name} imports ${allowed.length === 0 ? 'no other room' : `only ${listed(allowed)}`}: ${TABLE}`,
  };
}

/** Packages that only others may import. */
const reserved = (path: string): Pattern[] =>
  reservedFrom(path).map(({ names, by }) => ({
    group: names.flatMap((name) => (name.endsWith('/**') ? [name] : [name, `${name}/**`])),
    message: `${listed(names)} may be imported only by ${listed(by)}: ${TABLE}`,
  }));

/** Every package but those that the room is bound to. */
const others = ({ name, packages }: Room): Pattern[] =>
  packages
    ? [
        {
          group: ['*', '*/**', '!.*', '!.*/**', ...packages.map((one) => `!${one}`)],
          message: `${name} imports only the package ${listed(packages)}: ${TABLE}`,
        },
      ]
    : [];

const override = (path: string, room: Room): Override => ({
  includes: [`src/${isFile(path) ? path : `${path}/*.ts`}`],
  linter: {
    rules: {
      style: {
        noRestrictedImports: {
          level: 'error',
          options: {
            patterns: [otherRooms(room), ...(room.packages ? others(room) : reserved(path))],
          },
        },
      },
    },
  },
});

/** The import rules of every room, and of the files that may import what their room may not. */
export function importRules(): Override[] {
  const files = PACKAGES.flatMap(({ by }) => by.filter((name) => isFile(name) && name.includes('/')));
  return [
    ...ROOMS.map((room) => override(room.name, room)),
    ...[...new Set(files)].flatMap((file) =>
      ROOMS.filter(({ name }) => name === posix.dirname(file)).map((room) => override(file, room)),
    ),
  ];
}

/** A Biome configuration whose import rules are those of the table; all else stays. */
export function withImportRules<C extends { overrides: object[] }>(config: C): C {
  const isOurs = (one: object) => JSON.stringify(one).includes('noRestrictedImports');
  return { ...config, overrides: [...importRules(), ...config.overrides.filter((one) => !isOurs(one))] };
}
