/** A flame graph of one of our own processes, from what Node writes with `--cpu-prof`. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { join } from 'node:path';
import type { Stacks } from './flame.ts';

/** What makes a process of ours write its profile into `folder` when it ends. */
export const profiling = (folder: string): string[] => [
  '--cpu-prof',
  `--cpu-prof-dir=${folder}`,
  '--cpu-prof-interval=500',
];

/** The profile that this process has written. */
export function profileOf(folder: string, pid: number): Profiler.Profile {
  const file = readdirSync(folder).find((name) => name.split('.').includes(String(pid)));
  if (!file) throw new Error(`process ${pid} has written no profile`);
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profiler.Profile;
}

/** Frames by who wrote them: a package, a file of ours, Node itself; V8's own (a garbage collection, a write) by their names. */
function ownerOf({ url, functionName }: Profiler.Profile['nodes'][number]['callFrame']): string {
  const packageName = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (packageName !== undefined) return packageName;
  if (url.startsWith('node:')) return 'node';
  return /dist\/(.+)\.js$/.exec(url)?.[1] ?? (functionName.replace(/[()]/g, '') || 'node');
}

/**
 * Microseconds of processor time by stack in the last `lastMs` of a profile, without what it was idle. Frames of one
 * owner that follow one another are one: what counts is who takes the time, not which of its functions.
 */
export function foldProfile(profile: Profiler.Profile, lastMs: number): Stacks {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const stackOf = (id: number): string => {
    const owners: string[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const owner = ownerOf((byId.get(at) as Profiler.ProfileNode).callFrame);
      if (owner !== 'root' && owner !== owners[0]) owners.unshift(owner);
    }
    return owners.join(';');
  };
  const stacks: Stacks = new Map();
  let at = profile.startTime;
  for (const [n, id] of (profile.samples ?? []).entries()) {
    const took = profile.timeDeltas?.[n] ?? 0;
    at += took;
    const stack = stackOf(id);
    if (at < profile.endTime - 1000 * lastMs || stack === 'idle' || stack === '') continue;
    stacks.set(stack, (stacks.get(stack) ?? 0) + took);
  }
  return stacks;
}

/** Each owner's own share of the time, largest first. */
export function sharesOf(stacks: Stacks): [owner: string, share: number][] {
  const total = [...stacks.values()].reduce((a, b) => a + b, 0);
  const own = new Map<string, number>();
  for (const [stack, time] of stacks) {
    const owner = (stack.split(';').at(-1) as string).replace(/^(?!@)\w+\/.*/, 'Lethe');
    own.set(owner, (own.get(owner) ?? 0) + time);
  }
  return [...own].map(([owner, time]): [string, number] => [owner, time / total]).sort(([, a], [, b]) => b - a);
}
