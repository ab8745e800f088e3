import { type AskedLocation, isAsked, type Sender, type SenderTools } from '../../locations/asked.ts';
import { kindOf } from '../../locations/kinds/ask.ts';
import type { Kinds } from '../../locations/kinds/registry.ts';
import type { Context } from '../model/context.ts';

/** The senders of this process, each opened when its kind is asked for the first time. */
export class Senders {
  readonly #kinds: Kinds;
  readonly #tools: SenderTools;
  readonly #opened = new Map<string, Sender>();

  constructor(kinds: Kinds, tools: SenderTools) {
    this.#kinds = kinds;
    this.#tools = tools;
  }

  of(location: AskedLocation): Sender {
    const opened = this.#opened.get(location.kind) ?? this.#open(location);
    this.#opened.set(location.kind, opened);
    return opened;
  }

  #open(location: AskedLocation): Sender {
    const { outside } = kindOf(this.#kinds, location);
    if (!outside) throw new Error(`nobody is asked for ${location.name}`);
    return outside.open(this.#tools);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened.values()].map((sender) => sender.close()));
    this.#opened.clear();
  }
}

/** Variables of the environment that calls need and that are not set, a line for each partner. */
export function missingVariables(
  { catalog, kinds }: Pick<Context, 'catalog' | 'kinds'>,
  variable: SenderTools['variable'],
) {
  return catalog.locations.filter(isAsked).flatMap((location) => {
    const names = kindOf(kinds, location).outside?.variablesOf(location) ?? [];
    const missing = names.filter((name) => variable(name) === undefined);
    return missing.length > 0 ? [`${missing.join(', ')}: required by the partner ${location.name}`] : [];
  });
}
