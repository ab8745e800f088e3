import cliProgress from 'cli-progress';

export type Status = {
  id: string;
  state: string;
  startsAt: string;
  progress: {
    rowsDeleted: number;
    rowsPlanned: number | null;
    percent: number | null;
    etaSeconds: number | null;
    locations: {
      name: string;
      state: string;
      rowsDeleted: number;
      rowsPlanned: number | null;
      lastError: string | null;
    }[];
  };
};

const POLL_MS = 200;
const LINE_EVERY_MS = 2_000;

/**
 * Follows an erasure until its account is gone, or it is final or stalled. Shows a bar per location on a terminal, and a line
 * every two seconds elsewhere. Throws when it takes longer than `limitMs`.
 */
export async function watchErasure(read: () => Promise<Status>, limitMs: number): Promise<Status> {
  const show = process.stdout.isTTY ? bars() : lines();
  const end = Date.now() + limitMs;
  try {
    for (;;) {
      const status = await read();
      show.update(status);
      if (['awaiting', 'completed', 'cancelled', 'stalled'].includes(status.state)) return status;
      if (Date.now() > end) throw new Error(`still ${status.state} after ${Math.round(limitMs / 1000)} s`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    show.end();
  }
}

function bars() {
  const multi = new cliProgress.MultiBar(
    {
      format: '  {name} {bar} {percentage}% {value}/{total} {state}',
      hideCursor: true,
      clearOnComplete: false,
      barsize: 30,
    },
    cliProgress.Presets.shades_classic,
  );
  const known = new Map<string, cliProgress.SingleBar>();
  return {
    update: (status: Status) => {
      for (const l of status.progress.locations) {
        const total = Math.max(1, l.rowsPlanned ?? 1);
        const payload = { name: l.name.padEnd(9), state: l.state };
        const bar = known.get(l.name) ?? multi.create(total, 0, payload);
        known.set(l.name, bar);
        bar.setTotal(total);
        bar.update(Math.min(total, l.rowsDeleted), payload);
      }
    },
    end: () => multi.stop(),
  };
}

function lines() {
  let last = 0;
  let state = '';
  return {
    update: (status: Status) => {
      if (Date.now() - last < LINE_EVERY_MS && status.state === state) return;
      last = Date.now();
      state = status.state;
      const parts = status.progress.locations.map((l) => `${l.name} ${l.rowsDeleted}/${l.rowsPlanned ?? '?'}`);
      console.log(
        `  ${status.state.padEnd(9)} ${String(status.progress.percent ?? 0).padStart(3)}%  ${parts.join('  ')}`,
      );
    },
    end: () => {},
  };
}
