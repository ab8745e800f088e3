/** One message of a frontend: its type, and all its bytes as they came. `start`: the untyped ones that open a session. */
export type Frame = { type: string; bytes: Buffer };

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;

/**
 * Cuts what a Postgres frontend sends into messages, however the network has cut it. First come a length and a body
 * without a type. Then come messages of one type byte, a length that counts itself, and a body.
 */
export class FrontendFrames {
  private rest: Buffer = Buffer.alloc(0);
  private started = false;

  /** The messages that are complete with `data`, in their order. */
  push(data: Buffer): Frame[] {
    this.rest = this.rest.length === 0 ? data : Buffer.concat([this.rest, data]);
    const frames: Frame[] = [];
    for (;;) {
      const prefix = this.started ? 1 : 0;
      if (this.rest.length < prefix + 4) return frames;
      const length = prefix + this.rest.readInt32BE(prefix);
      if (length < prefix + 4) throw new Error(`not the frontend protocol: a message of ${length} bytes`);
      if (this.rest.length < length) return frames;
      const bytes = this.rest.subarray(0, length);
      this.rest = this.rest.subarray(length);
      frames.push({ type: this.started ? String.fromCharCode(bytes[0] as number) : 'start', bytes });
      if (!this.started) this.started = !asksFirst(bytes);
    }
  }
}

/** True for a request that comes before the one that opens the session. */
function asksFirst(bytes: Buffer): boolean {
  if (bytes.length < 8) return false;
  return [SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST].includes(bytes.readInt32BE(4));
}

/** The text of a statement that this message begins: a simple query, or the parse of an extended one. */
export function statementOf({ type, bytes }: Frame): string | undefined {
  if (type === 'Q') return textFrom(bytes, 5);
  if (type !== 'P') return undefined;
  return textFrom(bytes, bytes.indexOf(0, 5) + 1);
}

function textFrom(bytes: Buffer, from: number): string {
  const end = bytes.indexOf(0, from);
  return bytes.toString('utf8', from, end < 0 ? bytes.length : end);
}

/** What a fault can wait for on the wire. `message`: any; `statement`: one begins. */
export const MOMENTS = ['message', 'statement', 'commit', 'delete'] as const;
export type Moment = (typeof MOMENTS)[number];

/** True when this message is what is waited for. The messages that open the session are none. */
export function isMoment(frame: Frame, moment: Moment): boolean {
  if (frame.type === 'start' || frame.type === 'p') return false;
  if (moment === 'message') return true;
  const statement = statementOf(frame);
  if (statement === undefined) return false;
  if (moment === 'statement') return true;
  return moment === 'commit' ? /^\s*commit/i.test(statement) : /\bDELETE FROM\b/i.test(statement);
}
