/** A flame graph of one PostgreSQL session, where the machine has `perf` and allows it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as echarts from 'echarts';

/** Samples by stack, outermost frame first, as `a;b;c`. */
export type Stacks = Map<string, number>;

/** Samples the session while `work` runs; null where perf is missing or refused. */
export async function sample(pid: number, work: () => Promise<unknown>): Promise<Stacks | null> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-perf-'));
  const file = join(folder, 'data');
  const perf = spawn('perf', ['record', '-q', '-g', '-F', '997', '-p', String(pid), '-o', file], { stdio: 'ignore' });
  const ended = once(perf, 'exit').catch(() => null);
  await pause(300);
  try {
    await work();
    if (perf.exitCode !== null || perf.pid === undefined) return null;
    perf.kill('SIGINT');
    await ended;
    const script = execFileSync('perf', ['script', '-i', file, '-F', 'ip,sym'], {
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return fold(script);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Folds the output of `perf script -F ip,sym`: an address and a symbol a line, innermost first, a blank line between samples. */
export function fold(text: string): Stacks {
  const stacks: Stacks = new Map();
  for (const block of text.split(/\n\s*\n/)) {
    const frames = block
      .split('\n')
      .map((line) => /^\s*[\da-f]+\s+(\S.*)$/.exec(line)?.[1])
      .filter((name) => name !== undefined);
    if (frames.length === 0) continue;
    const stack = frames.reverse().join(';');
    stacks.set(stack, (stacks.get(stack) ?? 0) + 1);
  }
  return stacks;
}

type Box = { name: string; from: number; samples: number; depth: number };

/** The boxes of the graph: one for each frame below the same callers. */
export function boxesOf(stacks: Stacks): Box[] {
  const boxes: Box[] = [];
  const place = (entries: [string[], number][], depth: number, from: number) => {
    const byFrame = new Map<string, [string[], number][]>();
    for (const entry of entries) {
      const frame = entry[0][depth];
      if (frame !== undefined) byFrame.set(frame, [...(byFrame.get(frame) ?? []), entry]);
    }
    let at = from;
    for (const [name, inside] of [...byFrame].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const samples = inside.reduce((sum, [, n]) => sum + n, 0);
      boxes.push({ name, from: at, samples, depth });
      place(inside, depth + 1, at);
      at += samples;
    }
  };
  place(
    [...stacks].map(([stack, n]) => [stack.split(';'), n]),
    0,
    0,
  );
  return boxes;
}

const WIDTH = 1200;
const LINE = 16;
/** Narrower than this many pixels is left out: nobody could read it. */
const NARROWEST = 2;

/** Draws the boxes as SVG text, callers below, with the share of all samples in each name. */
export function drawFlame(title: string, stacks: Stacks): string {
  const total = [...stacks.values()].reduce((a, b) => a + b, 0);
  const all = boxesOf(stacks);
  // The server's main loop is the same below everything.
  const first = Math.min(...all.filter((b) => b.samples < 0.98 * total).map((b) => b.depth));
  const boxes = all.filter((b) => b.depth >= first - 1 && (b.samples / total) * WIDTH >= NARROWEST);
  const depths = Math.max(...boxes.map((b) => b.depth)) - first + 2;
  const height = 40 + depths * LINE;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: title, left: 8, top: 8, textStyle: { fontSize: 14, color: '#22303c' } },
    graphic: boxes.flatMap((box, i) => {
      const x = (box.from / total) * WIDTH;
      const width = (box.samples / total) * WIDTH - 0.5;
      const y = height - (box.depth - first + 2) * LINE;
      const words = `${box.name} ${((100 * box.samples) / total).toFixed(1)} %`;
      return [
        {
          type: 'rect',
          shape: { x, y, width, height: LINE - 1 },
          style: { fill: `hsl(${18 + ((i * 37) % 32)}, 75%, 66%)` },
        },
        ...(width < 40
          ? []
          : [
              {
                type: 'text',
                style: {
                  text: words.slice(0, Math.floor(width / 6.8)),
                  x: x + 3,
                  y: y + 2,
                  fontSize: 10.5,
                  fontFamily: 'monospace',
                  fill: '#22303c',
                },
              },
            ]),
      ];
    }),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
