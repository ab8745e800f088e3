import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Running, start, stop } from '../../dev/process.ts';
import type { Relay } from './relay.ts';
import type { Wire } from './wire.ts';

export type Role = 'api' | 'worker';
export type Signal = 'SIGKILL' | 'SIGTERM';

/** How a process is started: by which program, and with which options besides the run's own. */
export type Launch = { lethe: string; node?: readonly string[]; env?: Readonly<Record<string, string>> };

/** As a container runtime does it: started again whenever it has ended, after a moment. */
const RESTART_MS = 200;
const READY = { api: /"port":\d+/, worker: /"working"/ } as const;

const wasReady = (running: Running, role: Role) => READY[role].test(running.output());

/** A process of Lethe under a supervisor. Each has relays of its own to Postgres and to Redis. */
export class Supervised {
  readonly name: string;
  readonly role: Role;
  readonly wire: Wire;
  readonly redis: Relay;
  /** Where it says its metrics, if it does. */
  readonly metricsPort: number | undefined;
  /** Without what a fault changes for a while. */
  usual: Launch;
  /** Takes effect at the next start. */
  launch: Launch;
  /** Ends that nobody had asked for, after it was ready. */
  readonly ownEnds: string[] = [];
  private running: Running | undefined;
  private signalled = new Set<number>();
  private wanted = false;
  private supervising: Promise<void> = Promise.resolve();
  private readonly env: NodeJS.ProcessEnv;
  private readonly folder: string;

  constructor(given: {
    name: string;
    role: Role;
    wire: Wire;
    redis: Relay;
    launch: Launch;
    env: NodeJS.ProcessEnv;
    folder: string;
    metricsPort?: number | undefined;
  }) {
    this.name = given.name;
    this.role = given.role;
    this.wire = given.wire;
    this.redis = given.redis;
    this.usual = given.launch;
    this.launch = given.launch;
    this.env = given.env;
    this.folder = given.folder;
    this.metricsPort = given.metricsPort;
  }

  get pid(): number | undefined {
    return this.running?.pid;
  }

  /** Lets its next starts have other variables, also while a fault lasts. */
  change(env: Readonly<Record<string, string>>): void {
    const changed = (launch: Launch) => ({ ...launch, env: { ...launch.env, ...env } });
    this.usual = changed(this.usual);
    this.launch = changed(this.launch);
  }

  start(): void {
    this.wanted = true;
    this.supervising = this.supervise();
  }

  /** Sends a signal, and says whether there was a process. */
  signal(signal: Signal): boolean {
    const { running } = this;
    if (!running || running.child.exitCode !== null || running.child.signalCode !== null) return false;
    this.signalled.add(running.pid);
    return running.child.kill(signal);
  }

  /** Stops it from running without ending it, and lets it go on. */
  freeze(frozen: boolean): void {
    this.running?.child.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  /** True while it works, and nobody has told it to stop. */
  private ready(): boolean {
    const { running } = this;
    return running !== undefined && !this.signalled.has(running.pid) && wasReady(running, this.role);
  }

  async untilReady(ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (!this.ready()) {
      if (Date.now() > end)
        throw new Error(`${this.name} did not start within ${ms} ms:\n${this.running?.output().slice(-2000)}`);
      await pause(25);
    }
  }

  /** Ends it for good with SIGTERM; its exit code, or null where it had to be killed. */
  async end(): Promise<number | null> {
    this.wanted = false;
    const { running } = this;
    if (running) {
      this.signalled.add(running.pid);
      await stop(running);
    }
    await this.supervising;
    return running ? running.exited : 0;
  }

  private async supervise(): Promise<void> {
    while (this.wanted) {
      const { lethe, node = [], env = {} } = this.launch;
      const running = start(process.execPath, [...node, lethe, this.role], { env: { ...this.env, ...env } });
      const log = createWriteStream(join(this.folder, `${this.name}.log`), { flags: 'a' });
      running.child.stdout?.pipe(log, { end: false });
      running.child.stderr?.pipe(log, { end: false });
      this.running = running;
      const code = await running.exited;
      log.end();
      if (wasReady(running, this.role) && !this.signalled.has(running.pid))
        this.ownEnds.push(`${this.name} ended by itself (${code})`);
      if (this.wanted) await pause(RESTART_MS);
    }
  }
}
