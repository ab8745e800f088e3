import { setTimeout as pause } from 'node:timers/promises';
import type { Answer, AskedLocation, Call, Pacing } from '../../locations/asked.ts';
import { sanitize } from '../../store/sql-errors.ts';
import type { Context } from '../model/context.ts';
import type { Dispatch } from '../model/dispatch.ts';
import { Bell } from './bell.ts';
import { findPartner, prepare } from './prepare.ts';
import type { Senders } from './senders.ts';
import { type Asked, type Settlement, settleCalls } from './settle.ts';
import { giveBack, letGo, type Taken, takeCalls } from './take.ts';

/** What the loops of one process work with. */
export type Pumping = {
  readonly ctx: Context;
  readonly senders: Senders;
  /** The name of this process. */
  readonly holder: string;
  readonly dispatch: (dispatch: Dispatch) => Promise<unknown>;
  /** Told of each try; `ms` from its begin to its answer. */
  readonly onAnswer?: (partner: string, outcome: Answer['kind'], ms: number) => void;
  readonly signal: AbortSignal;
};

/** Calls are taken for about so long ahead: what is taken is not seen by a hold that comes meanwhile. */
const AHEAD_MS = 500;
/** Sendings that are taken ahead at most, for each that may be under way. */
const MOST_AHEAD = 16;
/** Between two looks whether a partner whose calls are under way has become unable to take more. */
const LOOK_MS = 250;
/** What a timer is late by is made up for, so that a high rate is reached. */
const LATE_MS = 10;
/** The partner is kept by a word that often, also while all calls are under way. */
const KEEP_MS = 5_000;
const UNKNOWN: Pacing = { concurrency: 1, perSecond: 1, timeoutMs: 10_000, ackTimeoutMs: 86_400_000 };

/** Makes the due calls of one partner until none is left. Only one process has a partner at a time. */
export class PartnerLoop {
  readonly #of: Pumping;
  readonly #name: string;
  readonly #waiting: { location: AskedLocation; call: Call }[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #answered: Settlement[] = [];
  readonly #broken: string[] = [];
  readonly #attempts = new Map<string, number>();
  readonly #bell = new Bell();
  #settling: Promise<void> | undefined;
  #taking: Promise<void> | undefined;
  #dry = false;
  /** Another process has the partner, or the database cannot be asked. */
  #lost = false;
  #probing = false;
  #callMs = 50;
  #nextStart = 0;
  #heldAt = 0;
  #pacing: Pacing = UNKNOWN;
  #batch = 1;

  constructor(of: Pumping, name: string) {
    this.#of = of;
    this.#name = name;
  }

  /** Resolves when nothing is due, another process has the partner, or this one stops. Calls under way are waited for. */
  async run(): Promise<void> {
    const { ctx, holder, signal } = this.#of;
    try {
      await this.#learn();
      while (!signal.aborted && !this.#lost) {
        this.#start();
        this.#settle();
        this.#take();
        if (this.#isIdle()) break;
        await this.#bell.rung(this.#waitMs());
      }
    } finally {
      await this.#taking;
      await Promise.all(this.#underWay);
      const unmade = this.#waiting.splice(0).map(({ call }) => call.id);
      await giveBack(ctx, [...unmade, ...this.#broken.splice(0)]).catch(() => {});
      await this.#settling;
      this.#settle();
      await this.#settling;
      // What cannot be given back lapses.
      await letGo(ctx, this.#name, holder).catch(() => {});
    }
  }

  /** Nothing is in hand, and the last look found nothing due. */
  #isIdle(): boolean {
    const busy = this.#taking ?? this.#settling;
    return !busy && this.#dry && this.#underWay.size + this.#answered.length + this.#waiting.length === 0;
  }

  /** Until the next call may begin, or it is time to look for more. */
  #waitMs(): number {
    const mayBegin = this.#waiting.length > 0 && this.#underWay.size < this.#pacing.concurrency;
    return mayBegin ? Math.min(LOOK_MS, Math.max(0, this.#nextStart - performance.now())) : LOOK_MS;
  }

  async #learn(): Promise<void> {
    const { ctx, senders } = this.#of;
    const location = await findPartner(ctx, this.#name, ctx.catalog.digest);
    if (!location) return;
    this.#pacing = location.pacing;
    const sender = senders.of(location);
    this.#batch = sender.batch;
    this.#roomOf = sender.room?.bind(sender, location);
  }

  #roomOf: (() => Promise<number>) | undefined;

  /** How many more calls may be taken: as many as begin within `AHEAD_MS` by the speed of the last ones. */
  #room(): number {
    const { concurrency, perSecond } = this.#pacing;
    const ahead = Math.min(MOST_AHEAD, Math.max(1, AHEAD_MS / this.#callMs));
    const byRate =
      perSecond === null ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil((perSecond * AHEAD_MS) / 1000));
    const most = Math.ceil(Math.min(concurrency * ahead * this.#batch, byRate));
    const inHand = this.#waiting.length + this.#underWay.size * this.#batch;
    // Taken in larger pieces: each take is a transaction.
    return this.#waiting.length > most / 4 ? 0 : Math.max(0, most - inHand);
  }

  /** Takes more calls where there is room, and keeps the partner, while others are under way. */
  #take(): void {
    const now = performance.now();
    const looks = (!this.#dry || now - this.#heldAt > LOOK_MS) && this.#room() > 0;
    if (this.#taking || !(looks || now - this.#heldAt > KEEP_MS)) return;
    this.#heldAt = now;
    this.#taking = this.#takeCalls()
      .catch((error: unknown) => {
        const { code } = sanitize(error);
        this.#of.ctx.log.debug({ partner: this.#name, code }, 'due calls cannot be taken');
        this.#lost = true;
      })
      .finally(() => {
        this.#taking = undefined;
        this.#bell.ring();
      });
  }

  async #takeCalls(): Promise<void> {
    const { ctx, holder } = this.#of;
    const { timeoutMs } = this.#pacing;
    // What is in hand will take its room, and has not yet.
    const inHand = this.#waiting.length + this.#underWay.size * this.#batch;
    const free = this.#roomOf ? (await this.#roomOf()) - inHand : Number.POSITIVE_INFINITY;
    const most = Math.max(0, Math.floor(Math.min(this.#room(), free)));
    const held = await takeCalls(ctx, this.#name, { holder, most, leaseMs: 2 * timeoutMs + 30_000 });
    if (!held) {
      this.#lost = true;
      return;
    }
    this.#probing = held.probing;
    this.#dry = held.calls.length === 0;
    for (const taken of held.calls) await this.#prepare(taken);
  }

  async #prepare(taken: Taken): Promise<void> {
    this.#attempts.set(taken.id, taken.attempts);
    const prepared = await prepare(this.#of.ctx, this.#name, taken);
    if ('answer' in prepared) this.#answered.push(prepared);
    else this.#waiting.push(prepared);
  }

  /** Begins as many as concurrency and rate allow now. */
  #start(): void {
    const { concurrency, perSecond } = this.#pacing;
    if (this.#lost || this.#of.signal.aborted) return;
    while (this.#waiting.length > 0 && this.#underWay.size < concurrency && this.#nextStart <= performance.now()) {
      const [first] = this.#waiting;
      const location = (first as { location: AskedLocation }).location;
      const alike = this.#waiting.findIndex((w) => w.location !== location);
      const most = Math.min(this.#batch, alike < 0 ? this.#waiting.length : alike);
      const calls = this.#waiting.splice(0, most).map(({ call }) => call);
      if (perSecond !== null)
        this.#nextStart = Math.max(this.#nextStart, performance.now() - LATE_MS) + (1000 * calls.length) / perSecond;
      const sent = this.#send(location, calls).finally(() => {
        this.#underWay.delete(sent);
        // At once: the look for more may be under way.
        this.#start();
        this.#bell.ring();
      });
      this.#underWay.add(sent);
    }
  }

  async #send(location: AskedLocation, calls: readonly Call[]): Promise<void> {
    const { senders, ctx, onAnswer, signal } = this.#of;
    const begun = performance.now();
    let answers: Answer[];
    try {
      answers = await senders.of(location).send(location, calls, signal);
    } catch (error) {
      const { code, detail } = sanitize(error);
      ctx.log.error({ partner: this.#name, code, detail, err: error }, 'a call failed by a mistake of ours');
      answers = calls.map(() => ({ kind: 'later', words: `the call could not be made: ${code}`, down: false }));
    }
    const ms = performance.now() - begun;
    this.#callMs = 0.8 * this.#callMs + 0.2 * Math.max(1, ms);
    // What was broken off by the end of this process says nothing of the partner.
    const broken = signal.aborted ? calls.filter((_, n) => (answers[n]?.kind ?? 'later') === 'later') : [];
    this.#broken.push(...broken.map(({ id }) => id));
    for (const [n, call] of calls.entries()) {
      if (broken.includes(call)) continue;
      const answer = answers[n] ?? ({ kind: 'later', words: 'there was no answer', down: false } as const);
      this.#answered.push({ id: call.id, answer });
      onAnswer?.(this.#name, answer.kind, ms);
    }
  }

  /** Writes down what was answered meanwhile, unless that is under way: answers that come together are one transaction. */
  #settle(): void {
    if (this.#settling || this.#answered.length === 0) return;
    const answers = this.#answered.splice(0, 1_000);
    const attempts = new Map(answers.map(({ id }) => [id, this.#attempts.get(id) ?? 0]));
    for (const { id } of answers) this.#attempts.delete(id);
    const { ackTimeoutMs } = this.#pacing;
    const asked: Asked = { partner: this.#name, ackTimeoutMs, probing: this.#probing, attempts };
    this.#settling = this.#write(answers, asked).finally(() => {
      this.#settling = undefined;
      // What was settled may be due again at once.
      this.#dry = false;
      this.#bell.ring();
    });
  }

  async #write(answers: readonly Settlement[], asked: Asked): Promise<void> {
    const { ctx, dispatch } = this.#of;
    try {
      const { dispatches } = await settleCalls(ctx, answers, asked);
      for (const next of dispatches) await dispatch(next);
    } catch (error) {
      // The calls are due again when their lease has ended, with the same ids: nothing is lost, and nothing counted twice.
      const { code, detail } = sanitize(error);
      ctx.log.warn(
        { partner: this.#name, calls: answers.length, code, detail },
        'answers not written down; asked again',
      );
      await pause(LOOK_MS, undefined, { signal: this.#of.signal }).catch(() => {});
    }
  }
}
